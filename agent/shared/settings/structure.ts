import { didYouMean } from '../text.ts';
import { kindOf, type MapNode, type Node } from './node.ts';
import { shown, type Place } from './problems.ts';

/** Words longer than this are no slips of the fingers, and take long to compare. */
const LONGEST_SLIP = 60;

/** The entries of a map, or the problem noted. Those of a key that is there twice are noted too. */
export function readEntries(node: Node, place: Place, expected: string): MapNode['entries'] | undefined {
  if (node.kind !== 'map') {
    place.say(`cannot be ${kindOf(node)}: it must be ${expected}.`, node);
    return undefined;
  }
  const seen = new Set<string>();
  for (const [key, value] of node.entries) {
    if (seen.has(key)) place.say(`has ${shown(key)} twice: give it once.`, value);
    seen.add(key);
  }
  return node.entries;
}

/**
 * The fields of a map that may hold these keys. One without a value (`headers:`) is unset, as in Prometheus. What is not known is noted, with
 * the advice that `refused` has for it.
 */
export function readFields<K extends string>(
  node: Node,
  place: Place,
  keys: readonly K[],
  refused: (key: string) => string | undefined = () => undefined,
): Readonly<Partial<Record<K, Node>>> | undefined {
  const entries = readEntries(node, place, `a map with ${keys.join(', ')}`);
  if (entries === undefined) return undefined;
  const fields: Partial<Record<K, Node>> = {};
  for (const [key, value] of entries) {
    const known = keys.find((candidate) => candidate === key);
    const advice = refused(key);
    if (known !== undefined && isNull(value)) continue;
    if (known !== undefined) fields[known] ??= value;
    else if (advice !== undefined) place.at(`.${key}`).say(advice, value);
    else place.say(`has ${shown(key)}, which is not known${suggest(key, keys)}`, value);
  }
  return fields;
}

/** The end of a sentence on an unknown name: `, did you mean "retention"?` or `: there are a, b.` */
export function suggest(name: string, known: readonly string[]): string {
  const slip = name.length <= LONGEST_SLIP ? didYouMean(name.toLowerCase().replace(/[-. ]/g, '_'), known) : '';
  return slip === '' ? `: there are ${known.join(', ')}.` : slip;
}

export function readItems(node: Node, place: Place, expected: string): readonly Node[] | undefined {
  if (node.kind === 'list') return node.items;
  place.say(`cannot be ${kindOf(node)}: it must be ${expected}.`, node);
  return undefined;
}

function isNull(node: Node): boolean {
  return node.kind === 'scalar' && node.type === 'null';
}

/** A scalar's text. Numbers of JSON are taken as they are written; true, false and null are invalid. */
export function readText(node: Node, place: Place, expected: string): string | undefined {
  if (node.kind === 'scalar' && (node.type === 'text' || node.type === 'number')) return node.text;
  place.say(`cannot be ${kindOf(node)}: it must be ${expected}.`, node);
  return undefined;
}

/** All of them, or undefined when one is missing: its problem is noted already. */
export function whole<T>(values: readonly (T | undefined)[]): readonly T[] | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === values.length ? known : undefined;
}
