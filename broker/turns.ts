/** Has work on the same things done one after the other, in the order in which it came. */
export interface Turns {
  /** Runs the work once nobody who came before is busy with one of these things. Work must not ask for a turn on what it already has. */
  take<T>(things: readonly string[], work: () => Promise<T>): Promise<T>;
  /** How many wait, or are at work. */
  readonly waiting: number;
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<void>>();
  let waiting = 0;
  return {
    async take(things, work) {
      const before = things.flatMap((thing) => last.get(thing) ?? []);
      const { promise: done, resolve: finish } = Promise.withResolvers<undefined>();
      // Entered for all things at once: who comes later waits for all of it, so that no two wait for each other.
      for (const thing of things) last.set(thing, done);
      waiting++;
      try {
        await Promise.all(before);
        return await work();
      } finally {
        waiting--;
        for (const thing of things) if (last.get(thing) === done) last.delete(thing);
        finish(undefined);
      }
    },
    get waiting() {
      return waiting;
    },
  };
}
