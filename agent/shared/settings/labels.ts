import { compareText } from '../text.ts';
import type { Kind } from './kinds.ts';
import type { MapNode, Node } from './node.ts';
import { shown, type Place } from './problems.ts';
import { readEntries, readText } from './structure.ts';
import { readYaml } from './yaml.ts';

/** The label that tells an instance's own Prometheus from its successor while both run. */
export const REPLICA_LABEL = 'prometheus_replica';

/** The label by which a receiver of alerts or samples tells instances apart: two may scrape one app, and have rules of the same names. */
export const INSTANCE_LABEL = 'tsuru_instance';

export type Labels = Readonly<Record<string, string>>;

const EXPECTED = 'labels as name=value,name=value, or a map of them';
const PAIRS = /^[^\s:={}"',]*\s*=/;

/** External labels: `a=b,c=d`, a YAML or JSON map, or a map. */
export const labels: Kind<Labels> = {
  range: 'labels',
  write: (value) => value,
  read(node, place) {
    const map = node.kind === 'scalar' && node.type === 'text' ? parseLabels(node.text, place) : node;
    const entries = map === undefined ? undefined : readEntries(map, place, EXPECTED);
    const read = entries?.map(([name, value]) => [name, readLabel(name, value, place)] as const) ?? [];
    const values = read.filter((entry): entry is [string, string] => entry[1] !== undefined);
    return entries === undefined || values.length < entries.length
      ? undefined
      : Object.fromEntries(values.sort(([a], [b]) => compareText(a, b)));
  },
};

function parseLabels(text: string, place: Place): Node | undefined {
  if (PAIRS.test(text.trimStart())) return parsePairs(text, place);
  const yaml = readYaml(text);
  if (!yaml.ok) place.say(`is neither name=value,name=value nor a map in YAML: ${yaml.reason}.`);
  return yaml.ok ? yaml.node : undefined;
}

function parsePairs(text: string, place: Place): MapNode | undefined {
  const pairs = text.split(/[,\n]/).filter((pair) => pair.trim() !== '');
  const split = pairs.map((pair) => /^([^=]*)=([^]*)$/.exec(pair));
  if (split.some((pair) => pair === null)) {
    place.say('must be name=value,name=value: one part has no =. A value with a comma needs a map in YAML.');
    return undefined;
  }
  const entries = split.map((pair): [string, Node] => [
    pair?.[1]?.trim() ?? '',
    { kind: 'scalar', type: 'text', text: pair?.[2]?.trim() ?? '' },
  ]);
  return { kind: 'map', entries };
}

function readLabel(name: string, node: Node, place: Place): string | undefined {
  const problem = nameProblem(name);
  if (problem !== undefined) {
    place.say(`has the label ${shown(name) || '""'}, ${problem}.`, node);
    return undefined;
  }
  // A boolean of JSON is as plain a word as one of YAML.
  const scalar: Node = node.kind === 'scalar' && node.type === 'boolean' ? { ...node, type: 'text' } : node;
  const text = readText(scalar, place.at(`.${shown(name)}`), 'a text');
  if (text === undefined) return undefined;
  if (text === '') place.at(`.${name}`).say('is empty, which to Prometheus is no label: leave it out.', node);
  // Prometheus 3 puts variables of its environment there, where the instance's secrets are.
  else if (text.includes('$'))
    place.at(`.${name}`).say('cannot hold a $: Prometheus 3 would put a variable there.', node);
  else return text;
  return undefined;
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'which has no name';
  if (name.length > 200) return 'which is too long: 200 characters at most';
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) {
    return 'which is no name: it must be letters, digits and _, and not start with a digit';
  }
  if (name.startsWith('__')) return "which is Prometheus' own: names that start with __ never leave it";
  return name === REPLICA_LABEL ? 'which is set by the instance itself: choose another name' : undefined;
}
