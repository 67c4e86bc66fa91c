import type { Node } from './node.ts';
import type { Place } from './problems.ts';
import { readItems } from './structure.ts';
import { readYaml } from './yaml.ts';

/** The items of a list of endpoints: URLs in a text, YAML, one map, or a list of URLs and maps. */
export function readEndpoints(node: Node, place: Place): readonly Node[] | undefined {
  const expected = 'URLs or a list of maps';
  if (node.kind === 'map') return [node];
  if (node.kind !== 'scalar' || node.type !== 'text') return readItems(node, place, expected);
  const yaml = readYaml(node.text);
  if (!yaml.ok) {
    place.say(`is no valid YAML: ${yaml.reason}.`);
    return undefined;
  }
  if (yaml.node.kind === 'map') return [yaml.node];
  if (yaml.node.kind === 'scalar' && yaml.node.type === 'text') return urls(yaml.node.text, place);
  return readItems(yaml.node, place, expected);
}

/** `http://a:9093,http://b:9093`. A URL with a comma of its own needs a list in YAML. */
function urls(text: string, place: Place): readonly Node[] | undefined {
  const parts = text.split(/[\s,]+/).filter((url) => url !== '');
  if (parts.length === 1 || parts.some((url) => /^https?:\/\//i.test(url)))
    return parts.map((url) => ({ kind: 'scalar', type: 'text', text: url }));
  // Words instead of a URL are one mistake.
  place.say('must be URLs that start with http:// or https://, or a list of maps in YAML.');
  return undefined;
}

/** A map, or a URL alone, which is a map with nothing but that. */
export function asEndpoint(node: Node): Node {
  return node.kind === 'scalar' ? { kind: 'map', entries: [['url', node]] } : node;
}
