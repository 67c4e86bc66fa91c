import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { createLoadFile } from '../../../agent/capacity/load.ts';
import { capacityOf, type CapacityFacts } from '../../../agent/capacity/capacity.ts';
import { createCapacityWatch } from '../../../agent/capacity/capacity-watch.ts';
import type { PrometheusClient } from '../../../agent/prometheus/api/client.ts';
import { seriesAt } from '../../../agent/shared/budget.ts';
import { readSettings } from '../../../agent/shared/settings/settings.ts';
import { createTroubles } from '../../../agent/system/troubles.ts';
import { temporaryTmpfs } from '../../budget/tmpfs.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const MIB = 2 ** 20;
const VOLUME_BYTES = 256 * MIB;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const LOOK_MS = 15_000;
const INTERVAL_S = 15;
/** Of WAL and head together before the first cut, as measured: 8 in the WAL, 2.75 in a chunk; and the records of a series. */
const HEAD_BYTES_PER_SAMPLE = 10.75;
const HEAD_BYTES_PER_SERIES = 240;

interface Instance extends AsyncDisposable {
  readonly mostSeries: number;
  /** When Prometheus was to be started otherwise, and with which blocks. */
  readonly restarts: readonly { readonly atMs: number; readonly rangeMs: number; readonly longestMs: number }[];
  readonly scrape: (series: number, durationMs: number) => Promise<void>;
}

/** A fresh instance of 1 GiB with a tmpfs of 256 MiB, whose Prometheus reports what it would with this many series. */
async function startInstance(): Promise<Instance> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryTmpfs(VOLUME_BYTES));
  const clock = createManualClock();
  const read = readSettings({});
  assert.ok(read.ok);
  const { settings } = read;
  const restarts: Instance['restarts'][number][] = [];
  let [series, samples] = [0, 0];
  const nothing = (): Promise<never> => Promise.reject(new Error('not asked for'));
  const client: PrometheusClient = {
    ready: () => Promise.resolve(),
    metrics: () =>
      Promise.resolve(
        `prometheus_tsdb_head_series ${series}\nprometheus_tsdb_head_samples_appended_total ${samples}\n`,
      ),
    query: () => Promise.resolve([]),
    version: nothing,
    flags: nothing,
    targets: nothing,
    rules: nothing,
    alertmanagers: nothing,
    reload: nothing,
    close: () => Promise.resolve(),
  };
  let facts: CapacityFacts = {
    memoryLimitBytes: 1024 * MIB,
    volume: { kind: 'tmpfs', sizeBytes: VOLUME_BYTES },
    load: undefined,
    layout: undefined,
    volumeSteps: undefined,
    paused: new Map(),
    samples: undefined,
  };
  const capacity = (): ReturnType<typeof capacityOf> =>
    capacityOf(settings, facts.memoryLimitBytes, facts.volume, facts.load, facts.layout, facts.volumeSteps);
  const watch = createCapacityWatch({
    storageFolder: path,
    loadFile: createLoadFile(join(path, 'agent')),
    usedBytes: 0,
    now: () => ({ facts, capacity: capacity(), settings, groups: [], load: 0 }),
    patch(news) {
      const before = facts.layout;
      facts = { ...facts, ...news };
      const { layout } = facts;
      if (before === undefined || layout === undefined || layout === before) return;
      restarts.push({ atMs: clock.nowMs(), rangeMs: layout.rangeMs, longestMs: layout.longestMs });
    },
    client,
    clock,
    troubles: createTroubles(pino({ level: 'silent' }), clock.wallMs),
    onLook: () => Promise.resolve(false),
  });
  const stop = new AbortController();
  const running = watch.run(stop.signal);
  stack.defer(async () => {
    stop.abort();
    await running;
  });
  const all = stack.move();
  return {
    mostSeries: seriesAt(capacity().budget.limits, INTERVAL_S * 1000),
    restarts,
    async scrape(count, durationMs) {
      series = count;
      for (let passedMs = 0; passedMs < durationMs; passedMs += LOOK_MS) {
        samples += (count * LOOK_MS) / 1000 / INTERVAL_S;
        await clock.forward(LOOK_MS, LOOK_MS);
      }
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

describe('the blocks of a fresh instance', { concurrency: true }, () => {
  it('stay as they are after a bind of more series than they were made for, until the head has grown too large for them', async () => {
    await using instance = await startInstance();
    await instance.scrape(4_000, 2 * HOUR_MS);
    assert.deepEqual(instance.restarts, []);
    await instance.scrape(4_000, 22 * HOUR_MS);
    assert.deepEqual(
      instance.restarts.map(({ rangeMs, longestMs }) => [rangeMs / MINUTE_MS, longestMs / MINUTE_MS]),
      [[30, 270]],
    );
  });

  it('become shorter once, and before WAL and head fill much more than half of the volume, at every load that fits', async () => {
    for (const share of [0.25, 0.5, 0.99]) {
      await using instance = await startInstance();
      const series = instance.mostSeries * share;
      await instance.scrape(series, 3 * HOUR_MS);
      const [first, second] = instance.restarts;
      assert.ok(first !== undefined && second === undefined, JSON.stringify(instance.restarts));
      assert.ok(first.atMs > 5 * MINUTE_MS, `at ${share} of the budget after ${first.atMs} ms`);
      const bytes =
        series * HEAD_BYTES_PER_SERIES + ((series * first.atMs) / 1000 / INTERVAL_S) * HEAD_BYTES_PER_SAMPLE;
      assert.ok(bytes < VOLUME_BYTES * 0.55, `at ${share} of the budget ${bytes} bytes after ${first.atMs} ms`);
    }
  });
});
