import type { Clock } from '../../shared/clock.ts';
import { errorText } from '../../shared/text.ts';
import { ReloadRefused, type PrometheusClient } from '../api/client.ts';
import { readMetrics, type PrometheusMetrics } from '../sync/observation.ts';

/** How long Prometheus' metrics may take to show a reload that it has just confirmed. */
const PROOF_LIMIT_MS = 5_000;
const LOOK_EVERY_MS = 50;

/** How a reload can fail, as metrics name it. */
export const RELOAD_FAILURES = ['refused', 'unknown'] as const;

/** How an attempt to reload ended. */
export type ReloadOutcome =
  | { readonly kind: 'loaded' }
  /** Prometheus says that it did not load the configuration, and why. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Prometheus was not asked, as it is not ready. */
  | { readonly kind: 'not_ready'; readonly reason: string }
  /** Prometheus was asked, but does not say: whether the configuration is loaded is unknown. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** Has a ready Prometheus reload its configuration, and counts that as done when its metrics prove it. Call it once at a time. */
export async function reload(client: PrometheusClient, clock: Clock, signal: AbortSignal): Promise<ReloadOutcome> {
  const look = async (): Promise<PrometheusMetrics> => readMetrics(await client.metrics(), '');
  let before: PrometheusMetrics;
  try {
    await client.ready();
    before = await look();
  } catch (error) {
    return { kind: 'not_ready', reason: errorText(error) };
  }
  try {
    await client.reload();
  } catch (error) {
    return { kind: error instanceof ReloadRefused ? 'refused' : 'unknown', reason: errorText(error) };
  }
  const deadlineMs = clock.nowMs() + PROOF_LIMIT_MS;
  let reason = '';
  while (!signal.aborted && clock.nowMs() < deadlineMs) {
    try {
      const { configLoadedSeconds, configSuccessful } = await look();
      // Another time and not a later one: clocks jump back.
      if (configSuccessful === true && configLoadedSeconds !== before.configLoadedSeconds) return { kind: 'loaded' };
      reason = 'Prometheus confirmed the reload, but its metrics show none';
    } catch (error) {
      reason = errorText(error);
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
  return { kind: 'unknown', reason };
}
