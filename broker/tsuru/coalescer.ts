import PQueue from 'p-queue';
import type { Clock } from '../../agent/shared/clock.ts';

/** Does work for keys: what is added for a key whose work has not started joins it; what comes later leads to one more. */
export interface Coalescer {
  /** False if the queue is full and the key is not in it. */
  add(key: string, items?: Iterable<string>): boolean;
  /** Resolves once nothing is left to do. */
  idle(): Promise<void>;
}

export interface CoalescerOptions {
  /** Must not reject. Takes the items that were added since its last start. */
  readonly work: (key: string, items: ReadonlySet<string>) => Promise<void>;
  /** Keys that are worked on at once. */
  readonly atOnce: number;
  /** Keys that are worked on, wait, or are in their pause. */
  readonly most: number;
  /** The least time between two starts for one key. */
  readonly pauseMs: number;
  readonly clock: Pick<Clock, 'sleep'>;
  /** Ends pauses; what waits then is dropped. */
  readonly signal: AbortSignal;
}

export function createCoalescer(options: CoalescerOptions): Coalescer {
  const { work, atOnce, most, pauseMs, clock, signal } = options;
  const queue = new PQueue({ concurrency: atOnce });
  /** The items that wait; undefined: nothing waits for this key, which is in its work or its pause. */
  const keys = new Map<string, Set<string> | undefined>();
  const running = new Set<Promise<void>>();

  async function follow(key: string): Promise<void> {
    while (keys.get(key) !== undefined && !signal.aborted) {
      let pause: Promise<void> = Promise.resolve();
      await queue.add(async () => {
        const items = keys.get(key) ?? new Set();
        keys.set(key, undefined);
        pause = clock.sleep(pauseMs, signal);
        if (!signal.aborted) await work(key, items);
      });
      await pause;
    }
    keys.delete(key);
  }

  return {
    add(key, items = []) {
      const isKnown = keys.has(key);
      if (signal.aborted || (!isKnown && keys.size >= most)) return false;
      keys.set(key, new Set([...(keys.get(key) ?? []), ...items]));
      if (isKnown) return true;
      const followed = follow(key);
      running.add(followed);
      void followed.then(() => running.delete(followed));
      return true;
    },
    async idle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
