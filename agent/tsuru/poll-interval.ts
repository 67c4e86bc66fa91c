/** Between polls while something is on its way and after a change: rollouts come in bursts. */
const QUICK_INTERVAL_MS = 5_000;
/** How long after a change the quick interval holds. */
const QUICK_AFTER_CHANGE_MS = 60_000;
/** The longest wait after failures: Tsuru coming back is noticed within it. */
const LONGEST_BACKOFF_MS = 120_000;
/** The shortest wait after a failure, so that full jitter never polls in a row. */
const SHORTEST_BACKOFF_MS = 1_000;
/** Intervals vary by a tenth up and down, so that many agents do not poll at once. */
const SPREAD = 0.1;

export interface Pace {
  readonly intervalMs: number;
  /** Failed polls in a row. */
  readonly failures: number;
  /** Something is on its way: units or their ports, this instance's own address, or targets that wait to be written. */
  readonly hurry: boolean;
  /** Since the last change of targets; Infinity if there was none. */
  readonly sinceChangeMs: number;
}

/** The wait before the next poll. `random` is from 0 to 1. */
export function nextWaitMs({ intervalMs, failures, hurry, sinceChangeMs }: Pace, random: number): number {
  if (failures > 0) {
    const ceiling = Math.min(LONGEST_BACKOFF_MS, intervalMs * 2 ** (failures - 1));
    return Math.max(Math.min(SHORTEST_BACKOFF_MS, intervalMs), random * ceiling);
  }
  const quick = hurry || sinceChangeMs < QUICK_AFTER_CHANGE_MS;
  const base = quick ? Math.min(QUICK_INTERVAL_MS, intervalMs) : intervalMs;
  return base * (1 - SPREAD + 2 * SPREAD * random);
}
