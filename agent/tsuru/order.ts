// Tsuru sorts no list. What is read of one is put in an order of its own, so that the order of Tsuru's answer never matters.
import { compareText } from '../shared/text.ts';

/** Reads each item. Which item an error names does not depend on their order either. */
export function readAll<T>(raw: readonly unknown[], read: (item: unknown, index: number) => T): T[] {
  try {
    return raw.map(read);
  } catch {
    return inOrder(raw).map(read);
  }
}

/** The items of a list by their text. */
export function inOrder(list: readonly unknown[]): readonly unknown[] {
  return list
    .map((item) => ({ item, text: JSON.stringify(item) }))
    .sort((a, b) => compareText(a.text, b.text))
    .map(({ item }) => item);
}
