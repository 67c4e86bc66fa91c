import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { outageBridged } from '../../agent/shared/wal.ts';
import { freeHostPort } from '../support/address.ts';
import { temporaryFolder } from '../support/folder.ts';
import type { PrometheusView } from '../support/prometheus.ts';
import { startInstance, type RunningInstance } from '../support/running-instance.ts';
import { samplesOf, startReceivingPrometheus, startVictoriaMetrics, type RunningStore } from '../support/store.ts';
import { until } from '../support/until.ts';
import { startWorld } from '../support/world.ts';

/** A scrape that has begun before is stored by then. */
const SCRAPE_ENDS_MS = 2_000;
/** All that is scraped from the app, with what Prometheus adds to each scrape. */
const SCRAPED = '{job="my-app"}';
/** What Tsuru gives a unit between SIGTERM and SIGKILL. */
const TSURU_STOP_MS = 30_000;
/** A sender tries again after up to 5 s, and a busy machine is slow to send the rest. */
const CAUGHT_UP_MS = 120_000;

type Sample = readonly [series: string, timeMs: number];

async function scrapedBetween(prometheus: PrometheusView, fromMs: number, toMs: number): Promise<readonly Sample[]> {
  return between(await samplesOf(prometheus, SCRAPED), fromMs, toMs);
}

async function storedBetween(store: RunningStore, fromMs: number, toMs: number): Promise<readonly Sample[]> {
  return between(await store.samples(SCRAPED), fromMs, toMs);
}

function between(samples: ReadonlyMap<string, readonly number[]>, fromMs: number, toMs: number): readonly Sample[] {
  return [...samples].flatMap(([series, times]) =>
    times.filter((time) => time >= fromMs && time <= toMs).map((time): Sample => [series, time]),
  );
}

/** Waits until the first samples are stored, and returns the time from which all must be. */
async function untilStored(store: RunningStore): Promise<number> {
  await until('the first samples in the store', async () => (await store.samples(SCRAPED)).size > 0);
  return Date.now();
}

/** Fails unless the store gets each sample that was scraped from one time to the other, and gets it once. */
async function assertArrived(
  prometheus: PrometheusView,
  store: RunningStore,
  fromMs: number,
  toMs: number,
): Promise<void> {
  const scraped = await scrapedBetween(prometheus, fromMs, toMs);
  assert.ok(scraped.length > (toMs - fromMs) / 1000, `only ${scraped.length} samples were scraped`);
  await until(
    'all samples in the store',
    async () => (await storedBetween(store, fromMs, toMs)).length >= scraped.length,
    CAUGHT_UP_MS,
  ).catch(() => undefined);
  assert.deepEqual(await storedBetween(store, fromMs, toMs), scraped);
}

interface Kind {
  readonly name: string;
  readonly store: string | undefined;
  readonly start: typeof startVictoriaMetrics;
}

const KINDS: readonly Kind[] = [
  { name: 'VictoriaMetrics', store: 'victoriametrics', start: startVictoriaMetrics },
  { name: 'Prometheus as a receiver', store: 'thanos', start: startReceivingPrometheus },
];

function startSending(store: RunningStore, kind: string | undefined): Promise<RunningInstance> {
  const named = kind === undefined ? {} : { store: kind };
  return startInstance({ scrape_interval: '1s', remote_write: [{ url: store.writeUrl, ...named }] });
}

describe('a store that is away', { concurrency: 3 }, () => {
  for (const { name, store: kind, start } of KINDS) {
    it(`for a minute has every sample once after it is back: ${name}`, async () => {
      await using folder = await temporaryFolder();
      const at = { folder: folder.path, address: await freeHostPort() };
      const before = await start(at);
      await using instance = await startSending(before, kind);
      const from = await untilStored(before);
      await before.stop();
      await wait(60_000);
      await using after = await start(at);
      await assertArrived(instance.prometheus, after, from, Date.now() - SCRAPE_ENDS_MS);
    });
  }

  /*
   * The README promises hours for a usual load: block ranges of 2 h. What decides is how many block ranges the WAL holds, so ranges of 30 s
   * show in two minutes what ranges of 2 h would show in 6 h.
   */
  it('for as many block ranges as are promised has every sample once after it is back', async () => {
    const rangeMs = 30_000;
    const wal = { rangeMs, segmentBytes: 10 * 1024 ** 2, samplesPerSecond: 100 };
    const { leastMs } = outageBridged(wal);
    assert.equal(leastMs, 3 * rangeMs);
    await using folder = await temporaryFolder();
    const at = { folder: folder.path, address: await freeHostPort() };
    const before = await startVictoriaMetrics(at);
    await using world = await startWorld();
    const { app } = world.instance;
    await world.bindNew(app);
    await world.bindNew('my-app');
    const settings = { scrape_interval: '1s', remote_write: [{ url: before.writeUrl, store: 'victoriametrics' }] };
    await world.annotate(app, { [SETTINGS_ANNOTATION]: JSON.stringify(settings) });
    const agent = await world.startAgent({ env: { TSURU_APPNAME: app } });
    const flags = ['--storage.tsdb.min-block-duration=30s', '--storage.tsdb.max-block-duration=30s'];
    const prometheus = await world.startPrometheus({ flags: [...flags, '--storage.tsdb.wal-segment-size=10MB'] });
    await until('the settings to be loaded', async () => (await agent.status()).configuration.waiting === undefined);
    const from = await untilStored(before);
    const cuts = async (): Promise<number> =>
      Number(/^prometheus_tsdb_head_truncations_total (\d+)$/m.exec(await prometheus.metrics())?.[1] ?? NaN);
    await before.stop();
    const cutBefore = await cuts();
    await wait(leastMs);
    assert.ok((await cuts()) >= cutBefore + 2, 'the head was cut during the outage');
    await using after = await startVictoriaMetrics(at);
    await assertArrived(prometheus, after, from, Date.now() - SCRAPE_ENDS_MS);
  });
});

describe('a stop of the instance', () => {
  /* What was scraped in the last moment is in the WAL, but Prometheus ends without a last look there (2.42). */
  it('sends all but what was scraped in the last two seconds, when the store is there', async () => {
    await using folder = await temporaryFolder();
    await using store = await startVictoriaMetrics({ folder: folder.path });
    await using instance = await startSending(store, 'victoriametrics');
    const { agent, world } = instance;
    const from = await untilStored(store);
    await wait(5_000);
    const stoppedAt = Date.now();
    agent.program.kill('SIGTERM');
    assert.equal(await agent.program.end, 0);
    const again = await world.startSupervised({ env: { TSURU_APPNAME: world.instance.app } });
    await assertArrived(again.prometheus, store, from, stoppedAt - SCRAPE_ENDS_MS);
  });
});

describe('a stop of the instance while its store is away', { concurrency: 2 }, () => {
  for (const [how, signal] of [
    ['refuses connections', 'SIGKILL'],
    ['accepts them and never answers', 'SIGSTOP'],
  ] as const) {
    it(`ends in order within the 30 s that Tsuru gives, when the store ${how}`, async () => {
      await using folder = await temporaryFolder();
      await using store = await startVictoriaMetrics({ folder: folder.path });
      await using instance = await startSending(store, 'victoriametrics');
      const { agent, prometheus, world } = instance;
      await untilStored(store);
      store.program.kill(signal);
      const pending = /^prometheus_remote_storage_samples_pending\S* [1-9]/m;
      await until('samples to wait for the store', async () => pending.test(await prometheus.metrics()));
      const newest = Math.max(...[...(await samplesOf(prometheus, SCRAPED)).values()].flat());
      const begun = performance.now();
      agent.program.kill('SIGTERM');
      assert.equal(await agent.program.end, 0);
      assert.ok(performance.now() - begun < TSURU_STOP_MS);
      assert.ok(!agent.program.lines.some((line) => line.includes('was killed')));
      const again = await world.startSupervised({ env: { TSURU_APPNAME: world.instance.app } });
      const kept = [...(await samplesOf(again.prometheus, SCRAPED)).values()].flat();
      assert.ok(kept.includes(newest), 'the newest sample is on the disk');
    });
  }
});
