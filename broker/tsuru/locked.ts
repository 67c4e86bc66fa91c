import { TsuruError } from '../../agent/shared/tsuru.ts';
import type { Clock } from '../../agent/shared/clock.ts';

/** How long a lock of Tsuru's is waited for: others change roles and teams in moments, but many of them may. */
const PATIENCE_MS = 60_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

export function isLocked(error: unknown): boolean {
  return error instanceof TsuruError && /event locked/i.test(error.words);
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onRetry?: () => void;
  readonly patienceMs?: number | undefined;
}

/** Retries work while Tsuru reports another change under way, with full jitter: many brokers may want the same lock. */
export async function retryLocked<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, signal, onRetry, patienceMs = PATIENCE_MS } = options;
  const deadlineMs = clock.nowMs() + patienceMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      const waitMs = clock.random() * pauseMs;
      if (!isLocked(error) || clock.nowMs() + waitMs > deadlineMs) throw error;
      onRetry?.();
      await clock.sleep(waitMs, signal);
      signal.throwIfAborted();
    }
  }
}
