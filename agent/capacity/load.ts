import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { writeWhole } from '../system/files.ts';
import { sampleOf, samplesOf } from '../prometheus/api/exposition.ts';
import type { PrometheusClient } from '../prometheus/api/client.ts';
import type { Load } from '../shared/layout.ts';
import { asObject } from '../shared/shape.ts';

/** How often it is looked at what Prometheus takes in. */
const LOOK_EVERY_MS = 15_000;
/** Over how long it is measured: a few scrapes at the usual interval, and a small part of any block range. */
const MEASURED_OVER_MS = 60_000;
/** By how much the load must change to be saved again: a layout is chosen with more room than that. */
const SAVED_CHANGE = 1.2;
/** So much more than the load a new layout holds, and so much more than that the load may become before it is changed again. */
const MARGIN = 1.25;
/** Only this user may read the load. */
const MODE = 0o600;

/** What Prometheus' own metrics say at a moment. */
export interface LoadLook {
  readonly atMs: number;
  readonly series: number;
  /** Since it was started. */
  readonly samples: number;
}

/** What was taken in between two looks; undefined when they are too near, or Prometheus was restarted between them. */
export function loadBetween(before: LoadLook, now: LoadLook): Load | undefined {
  const seconds = (now.atMs - before.atMs) / 1000;
  if (seconds * 1000 < MEASURED_OVER_MS || now.samples < before.samples) return undefined;
  return { series: now.series, samplesPerSecond: (now.samples - before.samples) / seconds };
}

/** What a layout is made for, so that it lasts. */
export function withMargin({ series, samplesPerSecond }: Load): Load {
  return { series: series * MARGIN, samplesPerSecond: samplesPerSecond * MARGIN };
}

/** What a layout must hold at least, or it is changed: twice the margin away from what it was made for. */
export function withoutMargin({ series, samplesPerSecond }: Load): Load {
  return { series: series / MARGIN, samplesPerSecond: samplesPerSecond / MARGIN };
}

/** What Prometheus takes in, saved for the next start. */
export interface LoadFile {
  /** What was saved last; undefined when there is nothing of use: then the load is measured again. */
  load(): Promise<Load | undefined>;
  /** @throws the file system's error; then the old file is as it was. */
  save(load: Load): Promise<void>;
}

export function createLoadFile(dataFolder: string): LoadFile {
  const path = join(dataFolder, 'load.json');
  let saved: Load | undefined;
  return {
    async load() {
      try {
        const { series, samplesPerSecond } = asObject(JSON.parse(await readFile(path, 'utf8')), 'the saved load');
        if (isAmount(series) && isAmount(samplesPerSecond)) saved = { series, samplesPerSecond };
      } catch {
        saved = undefined;
      }
      return saved;
    },
    async save(load) {
      if (saved !== undefined && isAbout(load, saved)) return;
      await writeWhole({
        temporary: join(dataFolder, 'tmp', 'load.json'),
        path,
        text: JSON.stringify(load),
        mode: MODE,
      });
      saved = load;
    },
  };
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isAbout(one: Load, other: Load): boolean {
  return (['series', 'samplesPerSecond'] as const).every(
    (key) => one[key] <= other[key] * SAVED_CHANGE && other[key] <= one[key] * SAVED_CHANGE,
  );
}

export interface LoadWatchOptions {
  readonly client: PrometheusClient;
  readonly file: LoadFile;
  readonly clock: Clock;
  readonly onLoad: (load: Load) => void;
}

/** Measures what Prometheus takes in, and saves it, until the signal aborts. */
export async function watchLoad(options: LoadWatchOptions, signal: AbortSignal): Promise<void> {
  const { client, file, clock, onLoad } = options;
  let looks: readonly LoadLook[] = [];
  const isStopped = (): boolean => signal.aborted;
  while (!isStopped()) {
    await clock.sleep(LOOK_EVERY_MS, signal);
    if (isStopped()) return;
    try {
      const now = readLook(await client.metrics(), clock.nowMs());
      const first = looks[0];
      if (first !== undefined && now.samples < first.samples) looks = [];
      const before = looks.findLast(({ atMs }) => now.atMs - atMs >= MEASURED_OVER_MS);
      looks = [...looks.filter((look) => before === undefined || look.atMs >= before.atMs), now];
      const load = before === undefined ? undefined : loadBetween(before, now);
      if (load === undefined) continue;
      onLoad(load);
      await file.save(load);
    } catch {
      // One that starts or does not answer is reported elsewhere, and so is a disk that is full.
    }
  }
}

/** @throws when the page has no such sample: that is not a load of 0. */
function readLook(page: string, atMs: number): LoadLook {
  const counters = ['head_samples_appended_total', 'head_out_of_order_samples_appended_total'].flatMap((name) => [
    ...samplesOf(page, `prometheus_tsdb_${name}`),
  ]);
  const series = sampleOf(page, 'prometheus_tsdb_head_series');
  if (counters.length === 0 || series === undefined) throw new Error('the metrics of Prometheus do not show its load');
  return { atMs, samples: counters.reduce((sum, { value }) => sum + value, 0), series };
}
