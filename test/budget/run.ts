import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { sampleOf } from '../../agent/prometheus/api/exposition.ts';
import { freePort } from '../support/port.ts';
import { startProgram, type Program } from '../support/program.ts';
import { until } from '../support/until.ts';
import { temporaryFolder } from '../support/folder.ts';
import { temporaryTmpfs } from './tmpfs.ts';
import { usageOf } from './usage.ts';

const LOAD = fileURLToPath(new URL('load/main.ts', import.meta.url));
const LOOK_EVERY_MS = 500;

/** A load on a volume. */
export interface Case {
  readonly volumeMb: number;
  readonly targets: number;
  readonly seriesPerTarget: number;
  readonly intervalMs: number;
  readonly seconds: number;
  /** Prometheus' own, beside where it stores and listens. */
  readonly flags: readonly string[];
  readonly goMemLimitMb?: number;
}

/** What came of it; sizes in MB of 10^6 bytes. */
export interface Outcome {
  readonly diedAfterSeconds: number | undefined;
  readonly fullLines: number;
  readonly commitsFailed: number;
  readonly compactionsFailed: number;
  readonly compactions: number;
  readonly samples: number;
  readonly series: number;
  readonly peakMb: number;
  readonly peakWalMb: number;
  readonly peakHeadMb: number;
  readonly peakBlocksMb: number;
  readonly peakTemporaryMb: number;
  readonly blockCount: number;
  readonly blockMb: number;
  /** After a collection of garbage that was asked for. */
  readonly heapMb: number;
  /** Resident, at its peak, without what is mapped from files: what GOMEMLIMIT is about. */
  readonly anonymousMb: number;
  readonly cpuSeconds: number;
}

/** Runs one case on a tmpfs of its own with the Prometheus that is first on the PATH. */
export async function runCase(test: Case): Promise<Outcome> {
  await using stack = new AsyncDisposableStack();
  const volume = stack.use(await temporaryTmpfs(test.volumeMb * 2 ** 20));
  const folder = stack.use(await temporaryFolder());
  const load = startProgram({
    command: process.execPath,
    args: [LOAD, '--targets', String(test.targets), '--series', String(test.seriesPerTarget)],
  });
  stack.defer(() => load.stop().then(() => undefined));
  const started = await until('the load', () => load.lines[0]);
  const { port } = JSON.parse(started) as { port: number };
  const config = join(folder.path, 'prometheus.yml');
  await writeFile(config, JSON.stringify(configOf(test, port)));
  const data = join(volume.path, 'data');
  await mkdir(data);
  const url = `http://127.0.0.1:${await freePort(0)}`;
  const prometheus = startProgram({
    command: 'prometheus',
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=${new URL(url).host}`,
      ...test.flags,
    ],
    env: test.goMemLimitMb === undefined ? {} : { GOMEMLIMIT: String(test.goMemLimitMb * 1e6) },
  });
  stack.defer(() => prometheus.stop().then(() => undefined));
  return await watch(test, prometheus, url, volume.path, data);
}

async function watch(test: Case, prometheus: Program, url: string, volume: string, data: string): Promise<Outcome> {
  const startedMs = performance.now();
  const peak = { used: 0, wal: 0, headChunks: 0, blocks: 0, temporary: 0 };
  let last = await usageOf(volume, data);
  let page = '';
  let anonymousMb = 0;
  let looks = 0;
  while (performance.now() - startedMs < test.seconds * 1000 && !prometheus.exited) {
    last = await usageOf(volume, data);
    peak.used = Math.max(peak.used, last.used);
    peak.wal = Math.max(peak.wal, last.wal);
    peak.headChunks = Math.max(peak.headChunks, last.headChunks);
    peak.blocks = Math.max(peak.blocks, last.blocks);
    peak.temporary = Math.max(peak.temporary, last.temporary);
    anonymousMb = Math.max(anonymousMb, await anonymousMbOf(prometheus.pid));
    if (looks++ % 10 === 0) {
      page = await get(`${url}/metrics`).catch(() => page);
    }
    await wait(LOOK_EVERY_MS);
  }
  const died = prometheus.exited;
  const diedAfterSeconds = died ? Math.round((performance.now() - startedMs) / 1000) : undefined;
  if (!died) {
    await get(`${url}/debug/pprof/heap?gc=1`).catch(() => '');
    page = await get(`${url}/metrics`).catch(() => page);
  }
  const said = (pattern: RegExp): number => prometheus.lines.filter((line) => pattern.test(line)).length;
  const metric = (name: string, labels = {}): number => sampleOf(page, name, labels) ?? NaN;
  return {
    diedAfterSeconds,
    fullLines: said(/no space left/),
    commitsFailed: said(/commit failed/i),
    compactionsFailed: metric('prometheus_tsdb_compactions_failed_total'),
    compactions: metric('prometheus_tsdb_compactions_total'),
    samples:
      sampleOf(page, 'prometheus_tsdb_head_samples_appended_total', { type: 'float' }) ??
      metric('prometheus_tsdb_head_samples_appended_total'),
    series: metric('prometheus_tsdb_head_series'),
    peakMb: peak.used / 1e6,
    peakWalMb: peak.wal / 1e6,
    peakHeadMb: peak.headChunks / 1e6,
    peakBlocksMb: peak.blocks / 1e6,
    peakTemporaryMb: peak.temporary / 1e6,
    blockCount: last.blockCount,
    blockMb: last.blocks / Math.max(1, last.blockCount) / 1e6,
    heapMb: metric('go_memstats_heap_alloc_bytes') / 1e6,
    anonymousMb,
    cpuSeconds: metric('process_cpu_seconds_total'),
  };
}

/** 0 when it has ended. */
async function anonymousMbOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return (Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024) / 1e6;
}

async function get(url: string): Promise<string> {
  const { body } = await request(url, { headersTimeout: 5_000, bodyTimeout: 10_000 });
  return await body.text();
}

/** JSON is YAML. The labels are those of the base configuration, about as long as in earnest. */
function configOf(test: Case, port: number): unknown {
  const interval = `${test.intervalMs}ms`;
  return {
    global: { scrape_interval: interval, scrape_timeout: interval },
    scrape_configs: [
      {
        job_name: 'load',
        static_configs: Array.from({ length: test.targets }, (_, index) => ({
          targets: [`127.0.0.1:${port}`],
          labels: {
            __metrics_path__: `/${index}/metrics`,
            job: `my-app-${index % 10}`,
            instance: `my-app-web-${index}-6d4cf56db6-x7x2f`,
            tsuru_app: `my-app-${index % 10}`,
            tsuru_process: 'web',
            tsuru_pool: 'default',
            tsuru_team: 'my-team',
            tsuru_version: '12',
          },
        })),
      },
    ],
  };
}
