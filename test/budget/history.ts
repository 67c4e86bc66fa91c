import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client, request } from 'undici';
import { sampleOf } from '../../agent/prometheus/api/exposition.ts';
import { asObject } from '../../agent/shared/shape.ts';
import { temporaryFolder } from '../support/folder.ts';
import { freePort } from '../support/port.ts';
import { startProgram, type Program } from '../support/program.ts';
import { until } from '../support/until.ts';
import { temporaryTmpfs } from './tmpfs.ts';
import { usageOf } from './usage.ts';
import { createBatch, type Batch } from './writer.ts';

const LOOK_EVERY_MS = 200;
/** No clock is further ahead. */
const AHEAD_MS = 10 * 60_000;
const MB = 1e6;

/** Series that are written at an interval, by how much their clock is ahead. */
export interface Written {
  readonly series: number;
  readonly seriesPerTarget: number;
  readonly intervalMs: number;
  readonly aheadMs?: number;
  /** This many samples of a series are in one request, to be faster where the WAL does not matter; 1 unless it is said. */
  readonly atOnce?: number;
}

/** A while in which the same is written, by a Prometheus that is started with these flags. */
export interface Phase {
  readonly name: string;
  readonly hours: number;
  readonly flags: readonly string[];
  readonly written: readonly Written[];
  /** How the Prometheus of this phase ends. */
  readonly end?: 'SIGKILL';
  /** The same process as before goes on. */
  readonly goesOn?: boolean;
  /** Whether all samples are counted at the end. */
  readonly counts?: boolean;
}

export interface HistoryCase {
  readonly volumeMib: number;
  /** `storage` of the configuration. */
  readonly storage: unknown;
  readonly phases: readonly Phase[];
}

/** What came of a phase; sizes in MB of 10^6 bytes. */
export interface PhaseOutcome {
  readonly name: string;
  readonly peakMb: number;
  readonly peakWalMb: number;
  readonly peakHeadMb: number;
  readonly peakWblMb: number;
  readonly peakTemporaryMb: number;
  readonly largestBlockMb: number;
  readonly blocks: number;
  readonly blocksMb: number;
  readonly blockSamples: number;
  /** From the first sample of the first block to the last that was written. */
  readonly keptHours: number;
  /** Samples that were written in this phase and taken, and those that were refused. */
  readonly written: number;
  readonly refused: number;
  /** Samples of all phases that a query finds at its end, and that were taken until then; only of phases that ask. */
  readonly found: number | undefined;
  readonly taken: number;
  readonly fullLines: number;
  readonly died: boolean;
  readonly heapMb: number;
  readonly compactionsFailed: number;
  readonly seconds: number;
}

/**
 * Writes days of samples into a real Prometheus on a tmpfs, in minutes: with explicit timestamps of the past, which go as fast as they are
 * taken. Blocks, WAL and merges follow the samples' time, so that nothing of them is shorter than in earnest.
 */
export async function runHistory(test: HistoryCase, onOutcome: (outcome: PhaseOutcome) => void): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const volume = stack.use(await temporaryTmpfs(test.volumeMib * 2 ** 20));
  const folder = stack.use(await temporaryFolder());
  const data = join(volume.path, 'data');
  await mkdir(data);
  const config = join(folder.path, 'prometheus.yml');
  await writeFile(config, JSON.stringify({ storage: test.storage }));
  const hours = test.phases.reduce((sum, phase) => sum + phase.hours, 0);
  let nowMs = Math.floor(Date.now() / 7_200_000) * 7_200_000 - Math.ceil(hours) * 3_600_000;
  const beginMs = nowMs;
  let taken = 0;
  let running: { program: Program; url: string; client: Client } | undefined;
  stack.defer(async () => {
    await running?.client.destroy();
    await running?.program.stop();
  });
  for (const phase of test.phases) {
    if (running === undefined || phase.goesOn !== true) {
      await running?.client.destroy();
      await running?.program.stop();
      running = await start(config, data, phase.flags);
    }
    const { program, url, client } = running;
    const startedMs = performance.now();
    const peak = { used: 0, wal: 0, headChunks: 0, wbl: 0, temporary: 0, block: 0 };
    const isOver = new AbortController();
    const looking = (async () => {
      while (!isOver.signal.aborted) {
        const usage = await usageOf(volume.path, data);
        for (const key of ['used', 'wal', 'headChunks', 'wbl', 'temporary', 'block'] as const)
          peak[key] = Math.max(peak[key], usage[key]);
        await wait(LOOK_EVERY_MS);
      }
    })();
    const endMs = nowMs + phase.hours * 3_600_000;
    const { written, refused } = await write(client, phase, nowMs, endMs, () => program.exited);
    nowMs = endMs;
    taken += written;
    const found = phase.counts === true ? await count(url, beginMs - 1_000, endMs + AHEAD_MS) : undefined;
    // A compaction that has begun ends.
    await wait(3_000);
    isOver.abort();
    await looking;
    await get(`${url}/debug/pprof/heap?gc=1`).catch(() => '');
    const page = await get(`${url}/metrics`).catch(() => '');
    const blocks = await blocksOf(data);
    onOutcome({
      name: phase.name,
      peakMb: peak.used / MB,
      peakWalMb: peak.wal / MB,
      peakHeadMb: peak.headChunks / MB,
      peakWblMb: peak.wbl / MB,
      peakTemporaryMb: peak.temporary / MB,
      largestBlockMb: peak.block / MB,
      blocks: blocks.length,
      blocksMb: (await usageOf(volume.path, data)).blocks / MB,
      blockSamples: blocks.reduce((sum, { samples }) => sum + samples, 0),
      keptHours: (nowMs - Math.min(...blocks.map(({ fromMs }) => fromMs))) / 3_600_000,
      written,
      refused,
      found,
      taken,
      fullLines: program.lines.filter((line) => line.includes('no space left')).length,
      died: program.exited,
      heapMb: (sampleOf(page, 'go_memstats_heap_alloc_bytes') ?? NaN) / MB,
      compactionsFailed: sampleOf(page, 'prometheus_tsdb_compactions_failed_total') ?? NaN,
      seconds: Math.round((performance.now() - startedMs) / 1000),
    });
    if (program.exited) return;
    if (phase.end !== undefined) {
      process.kill(program.pid, phase.end);
      await until('its end', () => program.exited);
      await client.destroy();
      running = undefined;
    }
  }
}

async function start(
  config: string,
  data: string,
  flags: readonly string[],
): Promise<{ program: Program; url: string; client: Client }> {
  const url = `http://127.0.0.1:${await freePort(0)}`;
  const program = startProgram({
    command: 'prometheus',
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=${new URL(url).host}`,
      '--web.enable-remote-write-receiver',
      '--storage.tsdb.retention.time=1y',
      ...flags,
    ],
  });
  await until('Prometheus', async () => (await request(`${url}/-/ready`)).statusCode === 200, 120_000);
  return { program, url, client: new Client(url, { pipelining: 1 }) };
}

async function write(
  client: Client,
  { written: all }: Phase,
  fromMs: number,
  toMs: number,
  isDead: () => boolean,
): Promise<{ written: number; refused: number }> {
  const batches: {
    batch: Batch;
    series: number;
    intervalMs: number;
    atOnce: number;
    aheadMs: number;
    nextMs: number;
  }[] = [];
  all.forEach(({ series, seriesPerTarget, intervalMs, aheadMs = 0, atOnce = 1 }, group) => {
    for (let rest = series, target = 0; rest > 0; rest -= seriesPerTarget, target += 1) {
      const size = Math.min(rest, seriesPerTarget);
      const name = `my-app-web-${group}-${target}-6d4cf56db6`;
      const batch = createBatch(client, { target: name, series: size, intervalMs, atOnce });
      // Targets are scraped one after the other within an interval.
      const nextMs = fromMs + Math.floor((intervalMs * ((target * 7) % 101)) / 101);
      batches.push({ batch, series: size, intervalMs, atOnce, aheadMs, nextMs });
    }
  });
  let written = 0;
  let refused = 0;
  for (let nowMs = fromMs; nowMs < toMs && !isDead(); nowMs += 1_000) {
    for (const one of batches) {
      if (one.nextMs > nowMs) continue;
      try {
        await one.batch.write(one.nextMs + one.aheadMs);
        written += one.series * one.atOnce;
      } catch (error) {
        if (isDead()) break;
        refused += one.series;
        if (refused === one.series) console.error(String(error).slice(0, 300));
      }
      one.nextMs += one.intervalMs * one.atOnce;
    }
  }
  return { written, refused };
}

interface BlockMeta {
  readonly fromMs: number;
  readonly samples: number;
}

async function blocksOf(data: string): Promise<readonly BlockMeta[]> {
  const names = (await readdir(data)).filter((name) => /^[0-9A-Z]{26}$/.test(name));
  const metas = await Promise.all(
    names.map((name) => readFile(join(data, name, 'meta.json'), 'utf8').catch(() => undefined)),
  );
  return metas.flatMap((text) => {
    if (text === undefined) return [];
    const meta = asObject(JSON.parse(text), 'meta.json');
    return [{ fromMs: Number(meta['minTime']), samples: Number(asObject(meta['stats'], 'stats')['numSamples']) }];
  });
}

/** All samples after a time until another, as a query finds them. */
async function count(url: string, fromMs: number, toMs: number): Promise<number> {
  const seconds = Math.ceil((toMs - fromMs) / 1000);
  const query = encodeURIComponent(`sum(count_over_time({job="my-app"}[${seconds}s]))`);
  const answer = await get(`${url}/api/v1/query?query=${query}&time=${toMs / 1000}`);
  return Number(/"value":\[[^,]+,"(\d+)"/.exec(answer)?.[1]);
}

async function get(url: string): Promise<string> {
  return (await request(url, { headersTimeout: 20_000 })).body.text();
}
