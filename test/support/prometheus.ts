import { readFile, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { dump, load } from 'js-yaml';
import { request } from 'undici';
import { asArray, asObject, isObject } from '../../agent/shared/shape.ts';
import { freeAddress } from './address.ts';
import { startProgram, type Program } from './program.ts';
import { until } from './until.ts';

const BASE = new URL('../../image/prometheus.yml', import.meta.url);

/** A target as Prometheus itself reports it. */
export interface ActiveTarget {
  readonly job: string;
  readonly instance: string;
  /** Where it is scraped, such as `http://127.1.0.2:8888/metrics`. */
  readonly url: string;
  readonly health: string;
  readonly lastError: string;
  readonly lastScrape: string;
  readonly interval: string;
  readonly timeout: string;
  readonly labels: Readonly<Record<string, unknown>>;
}

/** A real Prometheus with the base configuration of the image, but for paths, addresses and the scrape interval. */
export interface RunningPrometheus {
  readonly url: string;
  readonly program: Program;
  /** The targets of apps, by instance. */
  targets(): Promise<readonly ActiveTarget[]>;
  /** Waits until the apps' targets, by their instances in order, fulfil a condition. */
  untilTargets(
    what: string,
    condition: (targets: readonly ActiveTarget[]) => boolean,
    timeoutMs?: number,
  ): Promise<readonly ActiveTarget[]>;
  /** The values of an instant query, by the label `instance`. */
  query(expression: string): Promise<ReadonlyMap<string, number>>;
  stop(): Promise<void>;
}

export interface PrometheusOptions {
  /** Where the data and the rendered configuration go. */
  readonly folder: string;
  readonly targetsFile: string;
  readonly agentAddress?: string;
  readonly scrapeInterval?: string;
  readonly host?: string;
  readonly port?: number;
}

export async function startPrometheus(options: PrometheusOptions): Promise<RunningPrometheus> {
  const address = `${options.host ?? freeAddress()}:${options.port ?? 9090}`;
  const url = `http://${address}`;
  await mkdir(join(options.folder, 'data'), { recursive: true });
  const config = join(options.folder, 'prometheus.yml');
  await writeFile(config, render(await readFile(BASE, 'utf8'), address, options));
  const program = startProgram({
    command: 'prometheus',
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(options.folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--web.enable-lifecycle',
    ],
  });
  await until('Prometheus to be ready', async () => {
    if (program.exited) throw new Error(`Prometheus ended: ${program.lines.slice(-3).join(' / ')}`);
    const { statusCode, body } = await request(`${url}/-/ready`);
    await body.dump();
    return statusCode === 200;
  });

  async function get(path: string): Promise<Readonly<Record<string, unknown>>> {
    const { body } = await request(`${url}${path}`);
    return asObject(asObject(await body.json(), 'answer')['data'], 'data');
  }

  async function targets(): Promise<readonly ActiveTarget[]> {
    const { activeTargets } = await get('/api/v1/targets?state=active');
    return asArray(activeTargets, 'activeTargets')
      .map(readTarget)
      .filter(({ labels }) => labels['tsuru_app'] !== undefined)
      .sort((a, b) => (a.instance < b.instance ? -1 : 1));
  }

  return {
    url,
    program,
    targets,
    untilTargets: (what, condition, timeoutMs) =>
      until(
        what,
        async () => {
          const now = await targets();
          return condition(now) ? now : undefined;
        },
        timeoutMs,
      ),
    async query(expression) {
      const { result } = await get(`/api/v1/query?query=${encodeURIComponent(expression)}`);
      return new Map(
        asArray(result, 'result').map((raw, index) => {
          const sample = asObject(raw, `result[${index}]`);
          const [, value] = asArray(sample['value'], 'value');
          return [String(asObject(sample['metric'], 'metric')['instance']), Number(value)];
        }),
      );
    },
    async stop() {
      await program.stop();
    },
  };
}

function readTarget(raw: unknown): ActiveTarget {
  const target = asObject(raw, 'target');
  const labels = asObject(target['labels'], 'labels');
  const text = (key: string): string => String(target[key]);
  return {
    job: String(labels['job']),
    instance: String(labels['instance']),
    url: text('scrapeUrl'),
    health: text('health'),
    lastError: text('lastError'),
    lastScrape: text('lastScrape'),
    interval: text('scrapeInterval'),
    timeout: text('scrapeTimeout'),
    labels,
  };
}

/** The base configuration with the paths and addresses of this run. */
function render(
  base: string,
  address: string,
  { targetsFile, agentAddress, scrapeInterval = '1s' }: PrometheusOptions,
): string {
  const config = asObject(load(base), 'prometheus.yml');
  const jobs = asArray(config['scrape_configs'], 'scrape_configs').filter(isObject);
  const rendered = jobs.flatMap((job): object[] => {
    switch (job['job_name']) {
      case 'tsuru-apps':
        return [{ ...job, file_sd_configs: [{ files: [targetsFile], refresh_interval: '2s' }] }];
      case 'prometheus':
        return [{ ...job, static_configs: [{ targets: [address] }] }];
      default:
        return agentAddress === undefined ? [] : [{ ...job, static_configs: [{ targets: [agentAddress] }] }];
    }
  });
  const global = {
    scrape_interval: scrapeInterval,
    scrape_timeout: scrapeInterval,
    evaluation_interval: scrapeInterval,
  };
  return dump({ ...config, global, rule_files: [], scrape_configs: rendered });
}
