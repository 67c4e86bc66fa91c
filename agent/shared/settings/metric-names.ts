import { compareText } from '../text.ts';
import type { Kind } from './kinds.ts';
import { shown, type Place } from './problems.ts';
import type { Node } from './node.ts';
import { readYaml } from './yaml.ts';
import { readItems, readText, whole } from './structure.ts';

const EXPECTED = 'names of metrics, with * for any characters, such as go_*,http_request_duration_seconds_bucket';
/** No regular expression: a * says enough, and a pattern that is typed wrongly would drop what it should not. */
const PATTERN = /^[a-zA-Z_:*][a-zA-Z0-9_:.*]*$/;
const LONGEST = 200;

/** Names of metrics, in order and each once: `a,b`, or a list, as YAML too. */
export const metricNames: Kind<readonly string[]> = {
  range: 'names, with `*`',
  write: (value) => [...value],
  read(node, place) {
    const list = node.kind === 'scalar' ? listIn(node.text) : node;
    const names = list === undefined ? split(node, place) : listed(list, place);
    if (!names?.every((name) => isName(name, place))) return undefined;
    return [...new Set(names)].sort(compareText);
  },
};

/** A list that came as text, as forms send it. */
function listIn(text: string): Node | undefined {
  if (!/^\s*(?:\[|- )/.test(text)) return undefined;
  const yaml = readYaml(text);
  return yaml.ok && yaml.node.kind === 'list' ? yaml.node : undefined;
}

function split(node: Node, place: Place): readonly string[] | undefined {
  return readText(node, place, EXPECTED)
    ?.split(/[\s,]+/)
    .filter((name) => name !== '');
}

function listed(node: Node, place: Place): readonly string[] | undefined {
  const items = readItems(node, place, EXPECTED);
  return items && whole(items.map((item, index) => readText(item, place.at(`[${index}]`), 'the name of a metric')));
}

function isName(name: string, place: Place): boolean {
  const isPattern = name.length <= LONGEST && PATTERN.test(name);
  if (!isPattern) place.say(`has ${shown(name) || '""'}, which is no name: it must be ${EXPECTED}.`);
  else if (/^\*+$/.test(name)) place.say('has *, which would drop everything: unbind the apps instead.');
  return isPattern && !/^\*+$/.test(name);
}

/** The regular expression of all names, as Prometheus takes it: it matches whole names. */
export function patternOf(names: readonly string[]): string {
  return names.map((name) => name.replaceAll('.', '\\.').replaceAll('*', '.*')).join('|');
}
