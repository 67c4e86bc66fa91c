import { setTimeout as sleep } from 'node:timers/promises';

/** How long things take, in ms. A test may change them at any time: a long one that is set to 0 ends at once. */
export interface Delays {
  /** In status created, without an address. */
  createdMs: number;
  /** At least so long in status starting. */
  startingMs: number;
  /** Before a process that ended for the second time is started again; doubled with each end. After its first end it is started at once. */
  restartMs: number;
  /** A unit that ends is not listed any more, but answers so long. */
  endingMs: number;
  /** An evicted unit whose process ended with exit code 0 is listed so long. */
  evictedMs: number;
  /** Between the last unit's readiness and the writing of internalAddresses. */
  portsMs: number;
  /** A rollout whose new units are not ready after this fails. */
  deployTimeoutMs: number;
}

/** A delay that is shortened meanwhile is noticed after this, in ms. */
const LOOK_MS = 20;

/** Waits as long as a delay says, also when it is changed meanwhile; ends early, without an error, on an abort. */
export async function delayed(delayMs: () => number, signal: AbortSignal): Promise<void> {
  const start = performance.now();
  for (let left = delayMs(); left > 0 && !signal.aborted; left = delayMs() - (performance.now() - start)) {
    await sleep(Math.min(left, LOOK_MS), undefined, { signal }).catch(() => undefined);
  }
}
