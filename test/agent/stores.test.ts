import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asArray, asObject } from '../../agent/shared/shape.ts';
import { temporaryFolder } from '../support/folder.ts';
import type { PrometheusView } from '../support/prometheus.ts';
import { startReceivingPrometheus, startVictoriaMetrics } from '../support/store.ts';
import { startTwoUnits, type InstanceUnit } from '../support/two-units.ts';
import { until } from '../support/until.ts';

/** What the app exposes: one series, as it has one unit. */
const METRIC = 'asked_for{job="my-app"}';

/** The labels by which each series of the app's metric is known in a store, without those that both units scrape. */
async function addedLabels(store: PrometheusView): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { result } = await store.get(`/api/v1/query?query=${encodeURIComponent(METRIC)}`);
  const names = ['prometheus_replica', 'tsuru_instance', 'cluster', '__replica__', 'exported_cluster'];
  return asArray(result, 'result')
    .map((series) => asObject(asObject(series, 'series')['metric'], 'metric'))
    .map((labels) => Object.fromEntries(names.filter((name) => name in labels).map((name) => [name, labels[name]])));
}

async function count(store: PrometheusView, expression: string): Promise<number | undefined> {
  return (await store.query(`count(${expression})`)).values().next().value;
}

async function untilSending({ prometheus }: InstanceUnit): Promise<void> {
  const sent = /^prometheus_remote_storage_samples_total\S* [1-9]/m;
  await until('the unit to send samples', async () => sent.test(await prometheus.metrics()));
}

describe('two units of an instance side by side', { concurrency: 2 }, () => {
  it('are one series in VictoriaMetrics with one sample each interval, also when one of them ends', async () => {
    await using folder = await temporaryFolder();
    await using store = await startVictoriaMetrics({ folder: folder.path, flags: ['-dedup.minScrapeInterval=1s'] });
    const remote_write = [{ url: store.writeUrl, store: 'victoriametrics' }];
    await using units = await startTwoUnits({ scrape_interval: '1s', remote_write });
    const { first, second, world } = units;
    await Promise.all([first, second].map(untilSending));
    const isOne = async (): Promise<void> => {
      assert.equal(await count(store.view, METRIC), 1);
      assert.deepEqual(await addedLabels(store.view), [{ tsuru_instance: world.instance.app }]);
    };
    await until('the series', async () => (await count(store.view, METRIC)) !== undefined);
    await isOne();
    await first.agent.stop();
    const ended = Date.now();
    const times = await until('samples of the second alone', async () => {
      const [all = []] = (await store.samples(METRIC)).values();
      return all.filter((time) => time > ended + 2_000).length >= 3 ? all : undefined;
    });
    await isOne();
    const seconds = times.map((time) => Math.ceil(time / 1000));
    assert.equal(new Set(seconds).size, seconds.length);
  });

  it('have the labels of each kind of store on what they send to it', async () => {
    await using folder = await temporaryFolder();
    await using store = await startReceivingPrometheus({ folder: folder.path });
    const kinds = [undefined, 'thanos', 'mimir'];
    const remote_write = kinds.map((kind) => ({
      url: store.writeUrl,
      name: kind ?? 'unknown',
      ...(kind === undefined ? {} : { store: kind }),
    }));
    await using units = await startTwoUnits({
      scrape_interval: '1s',
      external_labels: { cluster: 'prod' },
      remote_write,
    });
    const { app } = units.world.instance;
    const wanted = ['unit-1', 'unit-2'].flatMap((unit) => [
      { prometheus_replica: unit, cluster: 'prod' },
      { prometheus_replica: unit, tsuru_instance: app, cluster: 'prod' },
      { cluster: app, __replica__: unit, exported_cluster: 'prod' },
    ]);
    await until('all series', async () => (await addedLabels(store.view)).length >= wanted.length);
    const byText = (all: readonly Readonly<Record<string, unknown>>[]): string[] =>
      all.map((labels) => JSON.stringify(labels)).sort();
    assert.deepEqual(byText(await addedLabels(store.view)), byText(wanted));
    // As Thanos does with --query.replica-label=prometheus_replica.
    const merged = `max without (prometheus_replica) (asked_for{job="my-app", tsuru_instance="${app}"})`;
    assert.equal(await count(store.view, merged), 1);
  });
});
