import type { Annotations } from '../discovery/known-apps.ts';
import { asObject, asOptionalArray, asOptionalText } from '../shared/shape.ts';
import { compareText } from '../shared/text.ts';
import { readAll } from './order.ts';

export type Pair = readonly [name: string, value: string];

export function readMetadata(value: unknown): { annotations: Annotations; labels: Annotations } {
  const { annotations, labels } = readPairs(value);
  return { annotations: annotationsOf(annotations), labels: annotationsOf(labels) };
}

/** By name. Of several values of one name, the one that comes first in order counts. */
export function annotationsOf(pairs: readonly Pair[]): Annotations {
  const sorted = [...pairs].sort(([a, x], [b, y]) => compareText(a, b) || compareText(x, y));
  return Object.fromEntries(sorted.filter(([name], index) => sorted[index - 1]?.[0] !== name));
}

/** `{annotations: [{name, value}], labels: [{name, value}]}`, either of which may be missing or null. */
export function readPairs(value: unknown): { annotations: readonly Pair[]; labels: readonly Pair[] } {
  if (value === undefined || value === null) return { annotations: [], labels: [] };
  const metadata = asObject(value, 'metadata');
  const pairsOf = (key: 'annotations' | 'labels'): Pair[] =>
    readAll(asOptionalArray(metadata[key], `metadata.${key}`), (raw, index) => {
      const where = `metadata.${key}`;
      const pair = asObject(raw, `${where}[${index}]`);
      return [asOptionalText(pair['name'], `${where}.name`), asOptionalText(pair['value'], `${where}.value`)];
    });
  return { annotations: pairsOf('annotations'), labels: pairsOf('labels') };
}
