import type { Clock } from '../shared/clock.ts';
import type { PrometheusClient } from '../prometheus/api/client.ts';
import { sampleOf } from '../prometheus/api/exposition.ts';
import { errorText } from '../shared/text.ts';
import type { Troubles } from '../system/troubles.ts';
import { describeChurn, isHeadFull, NO_CHURN, PAUSED, watchChurn, type ChurnState } from './churn.ts';

/** All series of an instance may change with each scrape, which is every 15 s: what the budget leaves is used up in half a minute then. */
const LOOK_EVERY_MS = 5_000;
const CHURN = 'churn';
const UNKNOWN = 'churn-unknown';
const SERIES = 'prometheus_tsdb_head_series';
/**
 * How many series each app made in the last minutes; of each target not the most that one scrape made, which is what every new target does once.
 * Two scrapes are within that time at the longest interval that others are stretched to.
 */
const ADDED = 'scrape_series_added{tsuru_app!=""}[5m]';
const QUERY = `sum by (tsuru_app) (sum_over_time(${ADDED}) - max_over_time(${ADDED})) > 0`;

export interface HeadGuardOptions {
  readonly client: PrometheusClient;
  /** How many series the budget has room for; Infinity when it has no limit. */
  readonly budgetSeries: () => number;
  /** Told when other apps are paused than before: those that are not scraped for now, and why. */
  readonly onChange: (paused: ReadonlyMap<string, string>) => void;
  readonly troubles: Troubles;
  readonly clock: Clock;
}

/** Watches how many series Prometheus holds: sample limits bound what a scrape brings, not how many of its series are new. */
export interface HeadGuard {
  /** Of the last look. */
  readonly series: () => number;
  /** One look. Never rejects. */
  look(): Promise<void>;
  /** Looks until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createHeadGuard({ client, budgetSeries, onChange, troubles, clock }: HeadGuardOptions): HeadGuard {
  let state: ChurnState = NO_CHURN;
  let series = 0;

  async function look(): Promise<void> {
    const most = budgetSeries();
    try {
      series = await readSeries(client);
      const made = isHeadFull(series, most) ? await readMade(client) : new Map<string, number>();
      const before = state;
      state = watchChurn(state, { atMs: clock.nowMs(), series, made }, most);
      if (state.paused !== before.paused) {
        onChange(new Map([...state.paused].map((app) => [app, PAUSED])));
      }
    } catch (error) {
      // One that starts, or does not answer, is reported elsewhere.
      if (await isReady(client))
        troubles.begin(
          UNKNOWN,
          `failed to ask Prometheus which apps make new series, so no app is paused or resumed: ${errorText(error)}; the latest number of series is ${count(series)}, with room for ${count(most)}`,
        );
      return;
    }
    troubles.end(UNKNOWN, 'Prometheus reports its series by app again');
    const sentence = describeChurn(state, series, most);
    if (sentence !== undefined) troubles.begin(CHURN, sentence);
    else troubles.end(CHURN, 'Prometheus holds no more series than planned, and all apps are scraped again');
  }

  return {
    series: () => series,
    look,
    async run(signal) {
      const isStopped = (): boolean => signal.aborted;
      while (!isStopped()) {
        await clock.sleep(LOOK_EVERY_MS, signal);
        if (!isStopped()) await look();
      }
    },
  };
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** @throws when Prometheus does not answer, or does not say. */
async function readSeries(client: PrometheusClient): Promise<number> {
  const series = sampleOf(await client.metrics(), SERIES);
  if (series === undefined) throw new Error(`${SERIES} is missing in its metrics`);
  return series;
}

async function isReady(client: PrometheusClient): Promise<boolean> {
  return client.ready().then(
    () => true,
    () => false,
  );
}

async function readMade(client: PrometheusClient): Promise<ReadonlyMap<string, number>> {
  const results = await client.query(QUERY);
  return new Map(results.map(({ labels, value }) => [String(labels['tsuru_app']), value]));
}
