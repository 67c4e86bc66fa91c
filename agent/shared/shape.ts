import { oneLine } from './text.ts';

/** An answer that is not of the shape it should have: the message says where and how. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads the JSON of an answer, or throws a ShapeError that says what came instead. */
export function parseJson(chunks: readonly Buffer[]): unknown {
  const body = Buffer.concat(chunks);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    const start = oneLine(body.toString('utf8', 0, 60));
    throw new ShapeError(start === '' ? 'it is empty' : `it is not JSON: it starts with "${start}"`);
  }
}

export function asObject(value: unknown, where: string): JsonObject {
  if (!isObject(value)) throw new ShapeError(`${where} is ${kindOf(value)}, not an object`);
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function asArray(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new ShapeError(`${where} is ${kindOf(value)}, not a list`);
  return value;
}

/** Go writes a list of nothing as null, or not at all: both are []. */
export function asOptionalArray(value: unknown, where: string): readonly unknown[] {
  return value === undefined || value === null ? [] : asArray(value, where);
}

/** Go writes what is not set as "", null or nothing at all: all three are ''. */
export function asOptionalText(value: unknown, where: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw new ShapeError(`${where} is ${kindOf(value)}, not a string`);
  return value;
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `a${typeof value === 'object' ? 'n' : ''} ${typeof value}`;
}
