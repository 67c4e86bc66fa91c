import { badRequest, TsuruError } from './errors.ts';
import { children, flag, text, type Tree } from './input.ts';
import type { Item, Metadata } from './state.ts';

export const NO_METADATA: Metadata = { labels: [], annotations: [] };

const PRIVATE_PREFIX = 'tsuru.io/';
/** Kubernetes' limit for all annotations of an object, in bytes; Tsuru checks it per request. */
const ANNOTATIONS_LIMIT = 256 * 1024;

/** Merges by name; an item with `delete` removes the one of its name. */
export function changedMetadata(old: Metadata, change: Tree): Metadata {
  const annotations = children(change, 'annotations');
  const labels = children(change, 'labels');
  for (const item of [...annotations, ...labels]) checkName(text(item, 'name'));
  const bytes = annotations.reduce((sum, item) => sum + Buffer.byteLength(text(item, 'name') + text(item, 'value')), 0);
  if (bytes > ANNOTATIONS_LIMIT) {
    throw new TsuruError(`metadata.annotations: Too long: may not be more than ${ANNOTATIONS_LIMIT} bytes`);
  }
  return { labels: merged(old.labels, labels), annotations: merged(old.annotations, annotations) };
}

export function hasMetadata(change: Tree): boolean {
  return children(change, 'annotations').length > 0 || children(change, 'labels').length > 0;
}

function checkName(name: string): void {
  if (name === '') throw badRequest('metadata name must not be empty');
  if (name.startsWith(PRIVATE_PREFIX)) throw new TsuruError(`prefix ${PRIVATE_PREFIX} is private`);
}

function merged(old: readonly Item[], changes: readonly Tree[]): Item[] {
  const items = new Map(old.map(({ name, value }) => [name, value]));
  for (const change of changes) {
    const name = text(change, 'name');
    if (flag(change, 'delete')) items.delete(name);
    else items.set(name, text(change, 'value'));
  }
  return [...items].map(([name, value]) => ({ name, value }));
}
