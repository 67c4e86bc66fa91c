/** A value of a setting before it is understood: the same from a form's text, typed JSON and YAML, where every scalar keeps its text. */
export type Node = ScalarNode | ListNode | MapNode;

export interface ScalarNode {
  readonly kind: 'scalar';
  /** What it was in JSON; YAML's scalars are texts, but for what stands for nothing. */
  readonly type: 'text' | 'number' | 'boolean' | 'null';
  readonly text: string;
  readonly line?: number;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly Node[];
  readonly line?: number;
}

export interface MapNode {
  readonly kind: 'map';
  /** In the order in which they were written; YAML may hold a key twice. */
  readonly entries: readonly (readonly [key: string, value: Node])[];
  readonly line?: number;
}

export type Json = string | number | readonly Json[] | { readonly [key: string]: Json };

/** This many values at most in one setting: what fits into its largest text is always fewer, unless YAML's aliases multiply it. */
export const MOST_NODES = 20_000;
/** This many lists and maps inside each other at most: no setting has more than 6. */
export const DEEPEST = 20;

/** A value as JSON or YAML have it, or what is wrong with it. Its texts together may have this many characters. */
export function fromJson(value: unknown, mostCharacters: number): Node | string {
  let nodes = 0;
  let characters = 0;
  function checked(text: string): string {
    characters += text.length;
    if (characters > mostCharacters) throw new TooMuch(`is too long: ${mostCharacters} characters are the most`);
    if (!text.isWellFormed()) throw new TooMuch('holds half a character (a lone surrogate), which is no text');
    return text;
  }
  function convert(part: unknown, depth: number): Node {
    if (++nodes > MOST_NODES) throw new TooMuch('holds too many values');
    if (depth > DEEPEST) throw new TooMuch('is nested too deep');
    if (part === null || part === undefined) return { kind: 'scalar', type: 'null', text: 'null' };
    switch (typeof part) {
      case 'string':
        return { kind: 'scalar', type: 'text', text: checked(part) };
      case 'number':
      case 'bigint':
        return { kind: 'scalar', type: 'number', text: String(part) };
      case 'boolean':
        return { kind: 'scalar', type: 'boolean', text: String(part) };
      case 'object':
        if (Array.isArray(part)) return { kind: 'list', items: part.map((item: unknown) => convert(item, depth + 1)) };
        return {
          kind: 'map',
          entries: Object.entries(part).map(([key, item]) => [checked(key), convert(item, depth + 1)]),
        };
      default:
        throw new TooMuch('is no text, number, list or map');
    }
  }
  try {
    return convert(value, 0);
  } catch (error) {
    if (error instanceof TooMuch) return error.message;
    throw error;
  }
}

class TooMuch extends Error {
  override readonly name = 'TooMuch';
}

/** What a node is, in a sentence. */
export function kindOf(node: Node): string {
  if (node.kind !== 'scalar') return `a ${node.kind}`;
  return node.type === 'text' || node.type === 'number' ? `a ${node.type}` : node.text;
}

/** A node as plain JSON. */
export function toJson(node: Node): Json {
  switch (node.kind) {
    case 'list':
      return node.items.map(toJson);
    case 'map':
      return Object.fromEntries(node.entries.map(([key, value]) => [key, toJson(value)]));
    case 'scalar':
      return node.type === 'number' && Number.isFinite(Number(node.text)) ? Number(node.text) : node.text;
  }
}
