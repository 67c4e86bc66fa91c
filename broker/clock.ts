import { setTimeout as wait } from 'node:timers/promises';

/** Time and chance, passed in so that a test can hold them. */
export interface Clock {
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
  /** Rejects with the signal's reason. */
  readonly sleep: (durationMs: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  sleep: (durationMs, signal) =>
    wait(durationMs, undefined, { signal }).catch(() => {
      throw signal.reason;
    }),
  random: () => Math.random(),
};
