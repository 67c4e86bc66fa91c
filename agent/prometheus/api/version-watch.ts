import type { Clock } from '../../shared/clock.ts';
import { PrometheusAnswered, type PrometheusClient } from './client.ts';

/** How soon another version is noticed that somebody starts in place of the last one: a request for a few hundred bytes. */
const LOOK_EVERY_MS = 2_000;
/**
 * How long nobody listens at the address before it may be an older version that cannot load its file: one that starts again listens within
 * seconds, also while it replays its log.
 */
const FORGET_AFTER_MS = 20_000;

export interface VersionWatchOptions {
  readonly client: Pick<PrometheusClient, 'version'>;
  readonly clock: Clock;
  /** Told the version at each look; undefined once it may be any. */
  readonly onVersion: (version: string | undefined) => void;
}

/**
 * Follows the version of an external Prometheus, until the signal aborts. One that is too old for its configuration ends before
 * it can say so: all that is seen of it is that nobody listens.
 */
export async function watchVersion(
  { client, clock, onVersion }: VersionWatchOptions,
  signal: AbortSignal,
): Promise<void> {
  const isStopped = (): boolean => signal.aborted;
  let silentSinceMs: number | undefined;
  while (!isStopped()) {
    try {
      onVersion(await client.version());
      silentSinceMs = undefined;
    } catch (error) {
      // One that says it is not ready runs with the file that it has.
      if (error instanceof PrometheusAnswered) silentSinceMs = undefined;
      else silentSinceMs ??= clock.nowMs();
      if (silentSinceMs !== undefined && clock.nowMs() - silentSinceMs >= FORGET_AFTER_MS) onVersion(undefined);
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}
