import type { LogLine } from '../prometheus/api/logfmt.ts';

/** A part of Prometheus' data that keeps it from starting, by its log. */
export type Damage =
  /** By the ULID in its meta.json. */
  | { readonly kind: 'block'; readonly ulid: string; readonly reason: string }
  /** It is not served, since its meta.json cannot be read. */
  | { readonly kind: 'unreadable-block'; readonly folder: string; readonly reason: string }
  /** Prometheus tried to repair its log by deleting what follows the damage. */
  | { readonly kind: 'repaired'; readonly reason: string }
  | { readonly kind: 'checkpoint'; readonly reason: string }
  /** A segment of the WAL or of the log of out-of-order samples is missing: it does not always tell of which. */
  | { readonly kind: 'gap'; readonly reason: string }
  | { readonly kind: 'part'; readonly name: 'wal' | 'wbl' | 'chunks_head'; readonly reason: string };

/** What may pass, or is no fault of the data. */
const NO_DAMAGE =
  /no space left|permission denied|operation not permitted|read-only file system|cannot allocate memory|too many open files|disk quota|lock DB directory|resource temporarily unavailable/i;
const BLOCKS = /corrupted block ([0-9A-Z]{26}): (.*?)(?=;? ?corrupted block [0-9A-Z]{26}: |$)/gs;
/** What the other errors are about: the first that fits. */
const PARTS: readonly { readonly says: RegExp; readonly is: (reason: string) => Damage }[] = [
  { says: /checkpoint/i, is: (reason) => ({ kind: 'checkpoint', reason }) },
  { says: /segments are not sequential|open W[AB]L segment/i, is: (reason) => ({ kind: 'gap', reason }) },
  { says: /chunks_head|head chunk/i, is: (reason) => ({ kind: 'part', name: 'chunks_head', reason }) },
  { says: /\bwbl\b/i, is: (reason) => ({ kind: 'part', name: 'wbl', reason }) },
  { says: /\bwal\b/i, is: (reason) => ({ kind: 'part', name: 'wal', reason }) },
];

/** What a line of Prometheus' log says about damaged data: 2.42 to 3.14 use the same words. Pure. */
export function damageIn({ message, fields }: LogLine): readonly Damage[] {
  const error = fields['err'] ?? fields['error'];
  if (typeof error !== 'string') return [];
  if (message.startsWith('Failed to read meta.json for a block during reloadBlocks')) {
    const folder = fields['dir'];
    if (typeof folder !== 'string' || NO_DAMAGE.test(error)) return [];
    return [{ kind: 'unreadable-block', folder, reason: error }];
  }
  // By what is wrong with a checkpoint, it repairs segments that are whole.
  if (/^Encountered W[AB]L read error/.test(message))
    return [{ kind: error.includes('checkpoint') ? 'checkpoint' : 'repaired', reason: error }];
  const [, reason] = /opening storage failed: (.*)/s.exec(error) ?? [];
  if (reason === undefined) return [];
  const blocks = [...reason.matchAll(BLOCKS)].flatMap(([, ulid = '', why = '']): Damage[] =>
    NO_DAMAGE.test(why) ? [] : [{ kind: 'block', ulid, reason: why.trim() }],
  );
  return reason.includes('corrupted block') ? blocks : partIn(reason);
}

function partIn(reason: string): readonly Damage[] {
  if (NO_DAMAGE.test(reason)) return [];
  const found = PARTS.find(({ says }) => says.test(reason));
  return found === undefined ? [] : [found.is(reason)];
}

/** What a log of numbered segments lacks: the first must have a certain number, and none may be missing. */
export interface Renumbering {
  /** Each segment that gets another number, in the order in which that is possible. */
  readonly moves: readonly (readonly [from: number, to: number])[];
  /** Segments that the checkpoint replaces, which would make a gap. */
  readonly superseded: readonly number[];
  /** How many are missing. */
  readonly missing: number;
}

/**
 * How a log's segments become a sequence again. Their records do not refer to numbers, so what remains is read as before. `checkpoint` is the
 * number of the last segment that is in the checkpoint: Prometheus reads from the next one on, without a checkpoint from `first` on. Pure.
 */
export function renumber(
  segments: readonly number[],
  { checkpoint, first }: { readonly checkpoint: number | undefined; readonly first: number },
): Renumbering {
  const sorted = [...segments].sort((a, b) => a - b);
  const start = checkpoint === undefined ? first : checkpoint + 1;
  const live = sorted.filter((number) => number >= start);
  const moves = live.flatMap((from, index): [number, number][] =>
    from === start + index ? [] : [[from, start + index]],
  );
  const isWhole = sorted.every((number, index) => number === (sorted[0] ?? 0) + index);
  const superseded = moves.length === 0 && isWhole ? [] : sorted.filter((number) => number < start);
  const last = live.at(-1);
  return { moves, superseded, missing: last === undefined ? 0 : last - start + 1 - live.length };
}
