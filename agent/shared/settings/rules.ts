import { dump } from 'js-yaml';
import type { Kind } from './kinds.ts';
import { toJson, type Node } from './node.ts';
import { readText } from './structure.ts';
import { readYaml } from './yaml.ts';

/**
 * The text of a rule file, as it was typed, so that promtool's line numbers are the user's. promtool alone judges it; refused here is only what
 * no version of it accepts and what it explains badly.
 */
export const rules: Kind<string> = {
  range: 'YAML',
  write: (value) => value,
  read(node, place) {
    const text = node.kind === 'scalar' ? readText(node, place, "the text of Prometheus' rules") : dump(toJson(node));
    if (text === undefined) return undefined;
    const yaml = readYaml(text);
    const hint = yaml.ok ? misplaced(yaml.node) : undefined;
    if (hint !== undefined) {
      place.say(hint);
      return undefined;
    }
    return `${text.replaceAll('\r\n', '\n').trimEnd()}\n`;
  },
};

/** What to do with a text that is something else than a rule file. */
function misplaced(file: Node): string | undefined {
  if (file.kind === 'scalar' && /^\S+\.ya?ml$/.test(file.text))
    return 'must be the text of the rules, not the name of a file: use --plan-param rules="$(cat rules.yml)".';
  if (file.kind === 'list') return 'must be a map with groups: put "groups:" above the list.';
  if (file.kind !== 'map' || file.entries.length === 0) return undefined;
  const keys = file.entries.map(([key]) => key);
  if (keys.includes('apiVersion') || keys.includes('kind'))
    return 'is a Kubernetes object: give what is below its spec, which starts with "groups:".';
  if (!keys.includes('groups'))
    return 'has no groups: it must be a rule file of Prometheus, which starts with "groups:".';
  return undefined;
}
