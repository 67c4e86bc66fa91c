/** Has work on the same things done one after the other, in the order in which it came. */
export interface Turns {
  /**
   * Runs the work once all earlier work on one of these things has ended; rejects with the signal's reason when that takes too long.
   * Work must not ask for a turn on what it already has.
   */
  take<T>(things: readonly string[], signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<void>>();
  return {
    async take(things, signal, work) {
      const before = Promise.all(things.flatMap((thing) => last.get(thing) ?? []));
      const { promise: worked, resolve: finish } = Promise.withResolvers<undefined>();
      // Later work waits for earlier work as well, also when this one aborts waiting.
      const done = before.then(() => worked);
      // Entered for all things at once: later work waits for all of it, so that no two wait for each other.
      for (const thing of things) last.set(thing, done);
      void done.then(() => {
        for (const thing of things) if (last.get(thing) === done) last.delete(thing);
      });
      try {
        await unlessAborted(before, signal);
        return await work();
      } finally {
        finish(undefined);
      }
    },
  };
}

async function unlessAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => {
    aborted.reject(signal.reason);
  };
  signal.addEventListener('abort', abort);
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
