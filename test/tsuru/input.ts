// What a request carries. Tsuru takes the same inputs as a form or as JSON; both become one tree here.

import { badRequest } from './errors.ts';
import { goQuote } from './go.ts';

export type Tree = Readonly<Record<string, unknown>>;

export interface Body {
  readonly text: string;
  readonly isJson: boolean;
  /** The values of a form by their whole key; empty for JSON. */
  readonly form: ReadonlyMap<string, readonly string[]>;
  readonly tree: Tree;
}

export function readBody(text: string, contentType: string): Body {
  if (contentType.startsWith('application/json')) {
    return { text, isJson: true, form: new Map(), tree: jsonTree(text) };
  }
  const isMultipart = contentType.startsWith('multipart/form-data');
  const form = formOf(isMultipart ? multipartFields(text, contentType) : new URLSearchParams(text));
  return { text, isJson: false, form, tree: formTree(form) };
}

/** A field by its name; Go matches the names of JSON fields without regard to case. */
export function field(tree: Tree, name: string): unknown {
  if (name in tree) return tree[name];
  const key = Object.keys(tree).find((candidate) => candidate.toLowerCase() === name.toLowerCase());
  return key === undefined ? undefined : tree[key];
}

/** A field as text: '' when it is missing. */
export function text(tree: Tree, name: string): string {
  const value = field(tree, name);
  if (Array.isArray(value)) return typeof value[0] === 'string' ? value[0] : '';
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** A field as texts: [] when it is missing, one text when it is not a list. */
export function texts(tree: Tree, name: string): string[] {
  const value = field(tree, name);
  if (value === undefined || value === null) return [];
  const items = isTree(value) && !Array.isArray(value) ? indexed(value) : value;
  return Array.isArray(items) ? items.map(String) : [text(tree, name)];
}

/** A field as a boolean, as Go's ParseBool reads it. */
export function flag(tree: Tree, name: string): boolean {
  return ['1', 't', 'true'].includes(text(tree, name).toLowerCase());
}

/** A field as an object: {} when it is missing. */
export function child(tree: Tree, name: string): Tree {
  const value = field(tree, name);
  return isTree(value) ? value : {};
}

/** A field as a list of objects, also from a form (`envs.0.name=...`): [] when it is missing. */
export function children(tree: Tree, name: string): Tree[] {
  const value = field(tree, name);
  const items: unknown = Array.isArray(value) ? value : isTree(value) ? indexed(value) : [];
  return Array.isArray(items) ? items.filter(isTree) : [];
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null;
}

/** The values of an object whose keys are indices, in their order. */
function indexed(tree: Tree): unknown[] {
  return Object.entries(tree)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, value]) => value);
}

function jsonTree(body: string): Tree {
  if (body === '') return {};
  try {
    const value: unknown = JSON.parse(body);
    return isTree(value) ? value : {};
  } catch (error) {
    throw badRequest(`unable to parse as json: ${goQuote(body)} - ${String(error)}`);
  }
}

/** Only fields of text: nobody uploads files with the deploy of an image. */
function multipartFields(body: string, contentType: string): [string, string][] {
  const boundary = /boundary="?([^";]+)/.exec(contentType)?.[1] ?? '';
  const parts = body.split(`--${boundary}`).slice(1, -1);
  return parts.map((part) => {
    const [head = '', ...rest] = part.split('\r\n\r\n');
    return [/ name="([^"]*)"/.exec(head)?.[1] ?? '', rest.join('\r\n\r\n').replace(/\r\n$/, '')];
  });
}

function formOf(fields: Iterable<readonly [string, string]>): Map<string, string[]> {
  const form = new Map<string, string[]>();
  for (const [key, value] of fields) form.set(key, [...(form.get(key) ?? []), value]);
  return form;
}

/** `metadata.annotations.0.name=x` becomes `{metadata: {annotations: {0: {name: x}}}}`; a dot in a name is written `\.`. */
function formTree(form: ReadonlyMap<string, readonly string[]>): Tree {
  const root: Record<string, unknown> = {};
  for (const [key, values] of form) {
    const path = key.split(/(?<!\\)\./).map((part) => part.replaceAll('\\.', '.'));
    place(root, path, values.length === 1 ? values[0] : values);
  }
  return root;
}

function place(root: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) {
    root[name] = value;
    return;
  }
  const inner: Record<string, unknown> = {};
  const existing = root[name];
  if (isTree(existing)) Object.assign(inner, existing);
  root[name] = inner;
  place(inner, rest, value);
}
