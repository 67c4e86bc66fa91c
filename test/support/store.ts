import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { request } from 'undici';
import { asArray, asObject, type JsonObject } from '../../agent/shared/shape.ts';
import { freeHostPort } from './address.ts';
import { startProgram, type Program } from './program.ts';
import { viewPrometheus, type PrometheusView } from './prometheus.ts';
import { until } from './until.ts';

/** The times of samples in milliseconds, sorted, by their series without the labels that a remote_write adds. */
export type SampleTimes = ReadonlyMap<string, readonly number[]>;

/** A server that takes remote_write, as a process. */
export interface RunningStore extends AsyncDisposable {
  /** Where samples are sent. */
  readonly writeUrl: string;
  readonly program: Program;
  /** Queries; both kinds speak Prometheus' API. */
  readonly view: PrometheusView;
  /** All samples of the series that a selector matches. */
  samples(selector: string): Promise<SampleTimes>;
  stop(): Promise<void>;
}

export interface StoreOptions {
  /** Where its data go: one that is started again with the same folder has them still. */
  readonly folder: string;
  /** `host:port` */
  readonly address?: string;
  readonly flags?: readonly string[];
}

/** What a remote_write may put on a series. */
const ADDED = ['prometheus_replica', 'tsuru_instance', '__replica__', 'cluster'];

export async function startVictoriaMetrics(options: StoreOptions): Promise<RunningStore> {
  const { folder, address = await freeHostPort(), flags = [] } = options;
  const program = startProgram({
    command: 'victoria-metrics',
    // Queries usually leave out the last 30 s.
    args: [
      `-storageDataPath=${join(folder, 'victoria')}`,
      `-httpListenAddr=${address}`,
      '-search.latencyOffset=0s',
      ...flags,
    ],
  });
  return running(program, `http://${address}`, { health: '/health', write: '/api/v1/write' }, async (url, selector) => {
    await text(`${url}/internal/force_flush`);
    const lines = (await text(`${url}/api/v1/export?match[]=${encodeURIComponent(selector)}`)).split('\n');
    return lines
      .filter((line) => line !== '')
      .map((line) => {
        const series = asObject(JSON.parse(line), 'series');
        const values = asArray(series['values'], 'values');
        // A value of null is the mark of a series' end, which Prometheus does not return.
        const times = asArray(series['timestamps'], 'timestamps').filter((_, index) => values[index] !== null);
        return [asObject(series['metric'], 'metric'), times.map(Number)] as const;
      });
  });
}

/** Prometheus as a receiver. */
export async function startReceivingPrometheus(options: StoreOptions): Promise<RunningStore> {
  const { folder, address = await freeHostPort(), flags = [] } = options;
  await mkdir(folder, { recursive: true });
  const program = startProgram({
    command: 'prometheus',
    args: [
      '--config.file=/dev/null',
      `--storage.tsdb.path=${join(folder, 'receiver')}`,
      `--web.listen-address=${address}`,
      '--web.enable-remote-write-receiver',
      ...flags,
    ],
  });
  return running(program, `http://${address}`, { health: '/-/ready', write: '/api/v1/write' }, prometheusSeries);
}

/** All samples that a Prometheus has of the series that a selector matches. */
export async function samplesOf(view: PrometheusView, selector: string): Promise<SampleTimes> {
  const { result } = await view.get(`/api/v1/query?query=${encodeURIComponent(`${selector}[1h]`)}`);
  return timesOf(seriesIn(result));
}

type Series = readonly (readonly [JsonObject, readonly number[]])[];

async function prometheusSeries(url: string, selector: string): Promise<Series> {
  const { result } = await viewPrometheus(url).get(`/api/v1/query?query=${encodeURIComponent(`${selector}[1h]`)}`);
  return seriesIn(result);
}

function seriesIn(result: unknown): Series {
  return asArray(result, 'result').map((raw, index) => {
    const { metric, values } = asObject(raw, `result[${index}]`);
    const times = asArray(values, 'values').map((pair) => Math.round(Number(asArray(pair, 'pair')[0]) * 1000));
    return [asObject(metric, 'metric'), times] as const;
  });
}

/** Series that differ by what a remote_write adds only become one, with all of their samples. */
function timesOf(series: Series): SampleTimes {
  const times = new Map<string, number[]>();
  for (const [labels, more] of series) {
    const own = Object.entries(labels).filter(([name]) => !ADDED.includes(name));
    const key = JSON.stringify(own.sort(([a], [b]) => (a < b ? -1 : 1)));
    times.set(key, [...(times.get(key) ?? []), ...more]);
  }
  return new Map([...times].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, all]) => [key, all.sort((a, b) => a - b)]));
}

async function running(
  program: Program,
  url: string,
  paths: { readonly health: string; readonly write: string },
  read: (url: string, selector: string) => Promise<Series>,
): Promise<RunningStore> {
  await until('the store to be ready', async () => {
    if (program.exited) throw new Error(`the store ended: ${program.lines.slice(-3).join(' / ')}`);
    const { statusCode, body } = await request(`${url}${paths.health}`);
    await body.dump();
    return statusCode === 200;
  });
  const stop = async (): Promise<void> => {
    await program.stop();
  };
  return {
    writeUrl: `${url}${paths.write}`,
    program,
    view: viewPrometheus(url),
    samples: async (selector) => timesOf(await read(url, selector)),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function text(url: string): Promise<string> {
  const { statusCode, body } = await request(url);
  const answer = await body.text();
  if (statusCode !== 200) throw new Error(`the store answered ${statusCode}: ${answer.slice(0, 300)}`);
  return answer;
}
