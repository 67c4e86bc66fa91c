import { setTimeout as wait } from 'node:timers/promises';

/** Time and chance, passed in so that a test can hold them. */
export interface Clock {
  /** The time of day in milliseconds since 1970, for what people and Prometheus read. It may jump. */
  readonly wallMs: () => number;
  /** Milliseconds that only go forward, for intervals and timeouts. */
  readonly nowMs: () => number;
  /**
   * Resolves after that time, or at once when the signal aborts: to be woken or stopped is no error for a loop, which looks at the signal
   * next. Work that must not go on calls `signal.throwIfAborted()` after it.
   */
  readonly sleep: (durationMs: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  nowMs: () => performance.now(),
  sleep: (durationMs, signal) => wait(durationMs, undefined, { signal }).catch(() => undefined),
  random: () => Math.random(),
};
