import type { Clock } from '../shared/clock.ts';
import type { Failures } from './failures.ts';
import type { PrometheusClient } from '../prometheus/api/client.ts';
import { parseDuration } from '../shared/duration.ts';
import { readSenders, type Senders, type WalFlags } from '../samples/senders.ts';
import type { Refusals } from '../samples/refusals.ts';

/** One page of metrics each time. */
const EVERY_MS = 15_000;
/** What Prometheus takes without its flags. */
const USUAL_RANGE_MS = 2 * 3_600_000;
const USUAL_SEGMENT_BYTES = 128 * 2 ** 20;
const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

export interface SurveyOptions {
  readonly client: Pick<PrometheusClient, 'metrics' | 'flags'>;
  readonly clock: Clock;
  readonly senders: Senders;
  readonly failures: Pick<Failures, 'look'>;
  /** Of a Prometheus whose log the agent does not read. */
  readonly refusals: Pick<Refusals, 'onMetrics'> | undefined;
}

/** Looks at Prometheus' own metrics from time to time, until the signal aborts. Never rejects: whether it answers is reported elsewhere. */
export async function survey(
  { client, clock, senders, failures, refusals }: SurveyOptions,
  signal: AbortSignal,
): Promise<void> {
  const isStopped = (): boolean => signal.aborted;
  while (!isStopped()) {
    try {
      const page = await client.metrics();
      refusals?.onMetrics(page);
      await failures.look(page);
      const read = readSenders(page);
      senders.onMetrics(read, read.senders.length === 0 ? readWalFlags({}) : readWalFlags(await client.flags()));
    } catch {
      // Prometheus is not ready, or was not started yet.
    }
    await clock.sleep(EVERY_MS, signal);
  }
}

export function readWalFlags(flags: Readonly<Record<string, unknown>>): WalFlags {
  const range = flags['storage.tsdb.min-block-duration'];
  const segment = flags['storage.tsdb.wal-segment-size'];
  return {
    rangeMs: (typeof range === 'string' ? parseDuration(range) : undefined) ?? USUAL_RANGE_MS,
    // 0 is the default.
    segmentBytes: (typeof segment === 'string' ? bytesOf(segment) : 0) || USUAL_SEGMENT_BYTES,
  };
}

/** `10MiB`, `1MiB512KiB`. */
function bytesOf(text: string): number {
  return [...text.matchAll(/([\d.]+)([A-Za-z]+)/g)].reduce(
    (sum, [, number = '', unit = '']) => sum + Number(number) * (UNITS[unit] ?? 0),
    0,
  );
}
