import type { Node } from './node.ts';
import type { Place } from './problems.ts';
import { readFields, readItems, readText, suggest, whole } from './structure.ts';

/** One entry of `write_relabel_configs` as Prometheus' configuration takes it; promtool checks what it means. */
export type RelabelConfig = Readonly<Record<string, string | number | readonly string[]>>;

const FIELDS = ['source_labels', 'separator', 'target_label', 'regex', 'modulus', 'replacement', 'action'] as const;
const ACTIONS = [
  'replace',
  'keep',
  'drop',
  'keepequal',
  'dropequal',
  'hashmod',
  'labelmap',
  'labeldrop',
  'labelkeep',
  'lowercase',
  'uppercase',
];

export function readRelabelConfig(node: Node, place: Place): RelabelConfig | undefined {
  const fields = readFields(node, place, FIELDS);
  if (fields === undefined) return undefined;
  const read = FIELDS.flatMap((key): readonly (readonly [string, RelabelConfig[string]] | undefined)[] => {
    const value = fields[key];
    if (value === undefined) return [];
    const understood = readField(key, value, place.at(`.${key}`));
    return [understood === undefined ? undefined : [key, understood]];
  });
  const entries = whole(read);
  return entries === undefined ? undefined : Object.fromEntries(entries);
}

function readField(key: (typeof FIELDS)[number], node: Node, place: Place): RelabelConfig[string] | undefined {
  if (key === 'source_labels') {
    const items = readItems(node, place, 'a list of label names');
    return items && whole(items.map((item, index) => readText(item, place.at(`[${index}]`), "a label's name")));
  }
  const text = readText(node, place, 'a text');
  if (text === undefined) return undefined;
  if (key === 'modulus') {
    if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
    place.say('must be a whole number of at least 1.', node);
    return undefined;
  }
  if (key === 'action') {
    const action = text.toLowerCase();
    if (ACTIONS.includes(action)) return action;
    place.say(`is not known${suggest(text, ACTIONS)}`, node, text);
    return undefined;
  }
  return text;
}
