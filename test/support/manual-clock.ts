import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../agent/shared/clock.ts';

/** File operations that a woken part does before it sleeps again take a few turns of the event loop. */
const TURNS = 20;

/** A clock that stands still until it is put forward. */
export interface ManualClock extends Clock {
  /** Puts it forward in steps, each of which wakes who slept as long, and lets them do what they do without a network. */
  readonly forward: (durationMs: number, stepMs: number) => Promise<void>;
}

export function createManualClock(): ManualClock {
  let now = 0;
  const sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();
  return {
    nowMs: () => now,
    wallMs: () => Date.UTC(2026, 0, 1) + now,
    random: () => 0,
    sleep(durationMs, signal) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const sleeper = {
        untilMs: now + durationMs,
        wake: () => {
          sleepers.delete(sleeper);
          resolve(undefined);
        },
      };
      if (signal.aborted) resolve(undefined);
      else {
        sleepers.add(sleeper);
        signal.addEventListener('abort', sleeper.wake, { once: true });
      }
      return promise;
    },
    async forward(durationMs, stepMs) {
      const endMs = now + durationMs;
      while (now < endMs) {
        now += stepMs;
        for (const sleeper of sleepers) if (sleeper.untilMs <= now) sleeper.wake();
        for (let turns = 0; turns < TURNS; turns += 1) await turn();
      }
    },
  };
}
