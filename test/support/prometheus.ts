import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { request, type Dispatcher } from 'undici';
import { asArray, asObject } from '../../agent/shared/shape.ts';
import { startProgram, type Program } from './program.ts';
import { until } from './until.ts';

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

/** What a real Prometheus says. */
export interface PrometheusView {
  readonly url: string;
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
  /** Its own `/metrics`. */
  metrics(): Promise<string>;
  /** The `data` of an answer of its API. */
  get(path: string): Promise<Readonly<Record<string, unknown>>>;
}

/** A real Prometheus, with the configuration that its agent rendered. */
export interface RunningPrometheus extends PrometheusView {
  readonly program: Program;
  stop(): Promise<void>;
}

export interface PrometheusOptions {
  /** Where the data go. */
  readonly folder: string;
  /** What the agent rendered; waited for, as the agent may be starting. */
  readonly configFile: string;
  /** `host:port`. */
  readonly address: string;
  /** Words in front of the command, such as a namespace to run in. */
  readonly wrapper?: readonly string[];
  readonly flags?: readonly string[];
}

export async function startPrometheus({
  folder,
  configFile,
  address,
  wrapper = [],
  flags = [],
}: PrometheusOptions): Promise<RunningPrometheus> {
  const url = `http://${address}`;
  await until(`the configuration ${configFile}`, () => existsSync(configFile));
  const words = [...wrapper, 'prometheus'];
  const program = startProgram({
    command: words[0] ?? '',
    args: [
      ...words.slice(1),
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--web.enable-lifecycle',
      ...flags,
    ],
  });
  await until('Prometheus to be ready', async () => {
    if (program.exited) throw new Error(`Prometheus ended: ${program.lines.slice(-3).join(' / ')}`);
    const { statusCode, body } = await request(`${url}/-/ready`);
    await body.dump();
    return statusCode === 200;
  });

  return {
    ...viewPrometheus(url),
    program,
    async stop() {
      await program.stop();
    },
  };
}

export interface Access {
  readonly user: string;
  readonly password: string;
}

/** What the Prometheus of an agent with this folder asks for; each agent makes it again. */
export async function ownAccess(agentFolder: string): Promise<Access> {
  return { user: 'agent', password: await readFile(join(agentFolder, 'web', 'password'), 'utf8') };
}

function authorizationOf({ user, password }: Access): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

/** Looks at a Prometheus, whoever runs it, or at one through its gateway with user and password. */
export function viewPrometheus(url: string, access?: Access | (() => Promise<Access>)): PrometheusView {
  async function ask(path: string): Promise<Dispatcher.ResponseData> {
    const headers = access === undefined ? {} : authorizationOf(typeof access === 'function' ? await access() : access);
    return request(`${url}${path}`, { headers });
  }

  async function get(path: string): Promise<Readonly<Record<string, unknown>>> {
    const { statusCode, body } = await ask(path);
    const text = await body.text();
    // Of a gateway whose Prometheus is away: a sentence, and no JSON.
    if (statusCode !== 200) throw new Error(`Prometheus answered ${statusCode}: ${text.trim().slice(0, 300)}`);
    return asObject(asObject(JSON.parse(text), 'answer')['data'], 'data');
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
    get,
    metrics: async () => (await ask('/metrics')).body.text(),
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
