import { formatDuration, parseDuration } from '../duration.ts';
import { formatBytes, parseBytes } from './bytes.ts';
import type { Json, Node } from './node.ts';
import type { Place } from './problems.ts';
import { bytesAdvice, durationAdvice, numberAdvice } from './slips.ts';
import { readText, suggest } from './structure.ts';

/** One kind of value: how it is read, written, and held below a plan's ceiling. */
export interface Kind<T> {
  /** The value, or undefined when its problems are noted. */
  read(node: Node, place: Place): T | undefined;
  /** The canonical way to write it: read again, it is the same. */
  write(value: T): Json;
  /** What it may be, for the table in agent/README.md. */
  readonly range: string;
  /** Undefined where a plan can set no ceiling. */
  readonly ceiling?: Ceiling<T>;
}

export interface Ceiling<T> {
  /** Whether a value costs more than the ceiling allows. */
  exceeds(value: T, ceiling: T): boolean;
  /** `the most`, or for what costs more the smaller it is `the least`. */
  readonly words: string;
  show(value: T): string;
}

/** `below`: the larger, the dearer. `above`: the smaller, the dearer. `0 is unlimited`: the same as `below`, but 0 is the dearest. */
export type Limit = 'below' | 'above' | '0 is unlimited';

const CEILINGS: Readonly<Record<Limit, Omit<Ceiling<number>, 'show'>>> = {
  below: { exceeds: (value, ceiling) => value > ceiling, words: 'the most' },
  above: { exceeds: (value, ceiling) => value < ceiling, words: 'the least' },
  '0 is unlimited': {
    exceeds: (value, ceiling) => ceiling !== 0 && (value === 0 || value > ceiling),
    words: 'the most',
  },
};

interface NumberKind {
  readonly parse: (text: string) => number | undefined;
  readonly write: (value: number) => string | number;
  readonly advice: (text: string) => string | undefined;
  readonly least: string;
  readonly most: string;
  readonly noun: string;
  readonly limit: Limit;
}

/** A duration as Prometheus writes it, in milliseconds. */
export function duration(least: string, most: string, limit: Limit = 'below'): Kind<number> {
  const advice = durationAdvice;
  return numeric({ parse: parseDuration, write: formatDuration, advice, least, most, noun: 'a duration', limit });
}

/** A size as Prometheus writes it, in bytes. */
export function bytes(least: string, most: string, limit: Limit = 'below'): Kind<number> {
  return numeric({
    parse: parseBytes,
    write: formatBytes,
    advice: bytesAdvice,
    least,
    most,
    noun: 'a size in bytes',
    limit,
  });
}

export function wholeNumber(least: number, most: number, limit: Limit = 'below'): Kind<number> {
  const parse = (text: string): number | undefined => (/^\d{1,15}$/.test(text) ? Number(text) : undefined);
  return numeric({
    parse,
    write: (value) => value,
    advice: numberAdvice,
    least: String(least),
    most: String(most),
    noun: 'a whole number',
    limit,
  });
}

function numeric({ parse, write, advice, least, most, noun, limit }: NumberKind): Kind<number> {
  const leastValue = parse(least) ?? 0;
  const mostValue = parse(most) ?? Infinity;
  const unlimited = limit === '0 is unlimited';
  const range = `${unlimited ? '0 (no limit) or ' : ''}${least} to ${most}`;
  const expected = `${noun}${unlimited ? ', 0 for no limit or' : ''} from ${least} to ${most}`;
  return {
    range,
    ceiling: { ...CEILINGS[limit], show: (value) => String(write(value)) },
    write,
    read(node, place) {
      const text = readText(node, place, expected)?.trim();
      if (text === undefined) return undefined;
      const value = parse(text);
      if (value !== undefined && ((unlimited && value === 0) || (value >= leastValue && value <= mostValue)))
        return value;
      const why = value === undefined ? advice(text) : undefined;
      const reason = why === undefined ? 'it' : `${why}. It`;
      place.say(`cannot be used: ${reason} must be ${expected}.`, node, text);
      return undefined;
    },
  };
}

/** One of a list of words. */
export function choice<T extends string>(...words: readonly T[]): Kind<T> {
  return {
    range: words.join(', '),
    write: (value) => value,
    read(node, place) {
      const text = readText(node, place, `one of ${words.join(', ')}`)?.trim();
      if (text === undefined) return undefined;
      const value = words.find((word) => word === text.toLowerCase());
      if (value === undefined) place.say(`is not known${suggest(text, words)}`, node, text);
      return value;
    },
  };
}
