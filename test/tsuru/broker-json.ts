// The JSON of a broker's answers, and what Go's decoder says when it is none.
import { field, isTree, text } from './input.ts';

export interface ServicePlan {
  readonly Name: string;
  readonly Description: string;
  readonly Schemas?: unknown;
}

/** The answer to a bind. */
export function textsOf(body: string): Record<string, string> {
  const value = decoded(body);
  if (value === null) return {};
  return stringMap(value, 'map[string]string');
}

/** Labels and values as a map: the last one of a label counts, and there is no order. */
export function infoOf(body: string): Record<string, string> {
  const items = listOf(decoded(body), '[]map[string]string').map((item) => stringMap(item, 'map[string]string'));
  return Object.fromEntries(items.map(({ label = '', value = '' }) => [label, value]));
}

export function plansOf(body: string): ServicePlan[] {
  return listOf(decoded(body), '[]service.Plan').map((item) => {
    if (!isTree(item)) throw mismatch(item, 'service.Plan');
    const schemas = field(item, 'schemas');
    return {
      Name: text(item, 'name'),
      Description: text(item, 'description'),
      ...(schemas === undefined ? {} : { Schemas: schemas }),
    };
  });
}

function decoded(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Error(syntaxError(body.trimStart()), { cause: error });
  }
}

function syntaxError(body: string): string {
  const [first] = body;
  if (first === undefined) return 'EOF';
  if (!/[[{"\d\-tfn]/.test(first)) return `invalid character '${first}' looking for beginning of value`;
  return 'unexpected EOF';
}

function listOf(value: unknown, type: string): readonly unknown[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw mismatch(value, type);
  return value;
}

function stringMap(value: unknown, type: string): Record<string, string> {
  if (!isTree(value) || Array.isArray(value)) throw mismatch(value, type);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, stringOf(item)]));
}

function stringOf(value: unknown): string {
  if (value === null) return '';
  if (typeof value !== 'string') throw mismatch(value, 'string');
  return value;
}

function mismatch(value: unknown, type: string): Error {
  const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  return new Error(`json: cannot unmarshal ${kind} into Go value of type ${type}`);
}
