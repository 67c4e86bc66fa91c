import PQueue from 'p-queue';

export interface QueryCounts {
  readonly running: number;
  readonly waiting: number;
}

export interface Queries {
  /**
   * Runs a query as soon as there is a place for it. Resolves with `busy` when there is none in time, or too many wait already, and with
   * `left` when the client has gone before its turn; the query did not run then.
   */
  run(query: () => Promise<void>, left: AbortSignal): Promise<'done' | 'busy' | 'left'>;
}

export interface QueriesOptions {
  readonly atOnce: number;
  readonly waiting: number;
  readonly waitMs: number;
  readonly onChange: (counts: QueryCounts) => void;
}

/** Lets a limited number of queries at Prometheus, in the order in which they came. */
export function createQueries({ atOnce, waiting, waitMs, onChange }: QueriesOptions): Queries {
  const queue = new PQueue({ concurrency: atOnce });
  const counts = { running: 0, waiting: 0 };
  const move = (running: number, waitingOnes: number): void => {
    counts.running += running;
    counts.waiting += waitingOnes;
    onChange(counts);
  };

  return {
    async run(query, left) {
      if (counts.running >= atOnce && counts.waiting >= waiting) return 'busy';
      const turn = new AbortController();
      const giveUp = (): void => {
        turn.abort();
      };
      const timer = setTimeout(giveUp, waitMs);
      left.addEventListener('abort', giveUp);
      if (left.aborted) giveUp();
      const stopWaiting = (): void => {
        clearTimeout(timer);
        left.removeEventListener('abort', giveUp);
      };
      const progress: { begun: boolean } = { begun: false };
      move(0, 1);
      try {
        await queue.add(
          async () => {
            // From now on its client's connection is what ends it.
            stopWaiting();
            progress.begun = true;
            move(1, -1);
            try {
              await query();
            } finally {
              move(-1, 0);
            }
          },
          { signal: turn.signal },
        );
        return 'done';
      } catch (error) {
        if (progress.begun) throw error;
        stopWaiting();
        move(0, -1);
        return left.aborted ? 'left' : 'busy';
      }
    },
  };
}
