import { setTimeout as wait } from 'node:timers/promises';

/** Time, passed in so that a test can hold it. */
export interface Clock {
  /** The time of day in milliseconds since 1970, for what people and Prometheus read. It may jump. */
  readonly wallMs: () => number;
  /** Milliseconds that only go forward, for intervals and time-outs. */
  readonly nowMs: () => number;
  /** Resolves after that time, or at once when the signal aborts. */
  readonly sleep: (durationMs: number, signal: AbortSignal) => Promise<void>;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  nowMs: () => performance.now(),
  sleep: (durationMs, signal) => wait(durationMs, undefined, { signal }).catch(() => undefined),
};
