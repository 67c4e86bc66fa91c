import type { Usage } from './facts.ts';

/** Before there are this many measurements over this time, what they say of the future is chance. */
const FEWEST = 5;
const SHORTEST_MS = 10 * 60_000;
/** So near to its limit Prometheus deletes the oldest block with each new one. */
const FULL_SHARE = 0.97;

/** What becomes of the storage. */
export type Forecast =
  | { readonly kind: 'unknown' }
  /** The oldest samples make room for new ones. */
  | { readonly kind: 'full' }
  | { readonly kind: 'steady' }
  /** Samples reach their age, and go, before it is full. */
  | { readonly kind: 'by_age'; readonly inMs: number }
  | { readonly kind: 'fills'; readonly inMs: number };

export interface ForecastInput {
  readonly usage: readonly Usage[];
  /** What the data may take. */
  readonly limitBytes: number;
  readonly nowMs: number;
  /** The oldest sample that there is. */
  readonly oldestMs: number | undefined;
  readonly retentionMs: number;
}

export function forecast({ usage, limitBytes, nowMs, oldestMs, retentionMs }: ForecastInput): Forecast {
  const [first] = usage;
  const last = usage.at(-1);
  if (first === undefined || last === undefined) return { kind: 'unknown' };
  if (last.bytes >= limitBytes * FULL_SHARE) return { kind: 'full' };
  if (usage.length < FEWEST || last.atMs - first.atMs < SHORTEST_MS) return { kind: 'unknown' };
  const bytesPerMs = slopeOf(usage);
  const ageEndsInMs = oldestMs === undefined ? Infinity : oldestMs + retentionMs - nowMs;
  if (bytesPerMs <= 0) return { kind: 'steady' };
  const inMs = (limitBytes - last.bytes) / bytesPerMs;
  return ageEndsInMs < inMs ? { kind: 'by_age', inMs: Math.max(0, ageEndsInMs) } : { kind: 'fills', inMs };
}

/** The slope of the line of least squares: blocks come and go in steps, which a first and a last point would take for a trend. */
function slopeOf(usage: readonly Usage[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanMs = mean(usage.map(({ atMs }) => atMs));
  const meanBytes = mean(usage.map(({ bytes }) => bytes));
  const together = mean(usage.map(({ atMs, bytes }) => (atMs - meanMs) * (bytes - meanBytes)));
  return together / mean(usage.map(({ atMs }) => (atMs - meanMs) ** 2));
}
