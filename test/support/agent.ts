import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { Status } from '../../agent/shared/status.ts';
import { freeAddress } from './address.ts';
import { startProgram, type Program } from './program.ts';
import { until } from './until.ts';

const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

/** An agent as a process of its own. */
export interface RunningAgent {
  readonly url: string;
  readonly program: Program;
  readonly targetsFile: string;
  status(): Promise<Status>;
  get(path: string): Promise<{ status: number; body: string }>;
  /** `POST /tsuru/poll`. */
  poll(): Promise<{ status: number; body: string }>;
  /** A metric's value by its whole name with labels, as the page writes it. */
  metric(series: string): Promise<number | undefined>;
  /** What it logged, the fields of each line. */
  log(): readonly Readonly<Record<string, unknown>>[];
  stop(): Promise<number | string>;
}

export interface AgentOptions {
  readonly folder: string;
  readonly tsuruUrl: string;
  readonly token: string;
  /** A Prometheus that the test runs; without it the agent runs its own. */
  readonly prometheusUrl: string | undefined;
  /** `host:port` at which the agent's own Prometheus listens. */
  readonly ownPrometheus?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly host?: string;
  readonly port?: number;
  readonly onLine?: (line: string) => void;
  /** The agent to run; without it the source. */
  readonly main?: string;
  /** Words in front of the command, such as a namespace to run in. */
  readonly wrapper?: readonly string[];
}

/** User and password of the public port. */
export const GATEWAY = { GATEWAY_USERNAME: 'instance', GATEWAY_PASSWORD: 'correct-horse-battery' } as const;

const RIGHT = {
  authorization: `Basic ${Buffer.from(`${GATEWAY.GATEWAY_USERNAME}:${GATEWAY.GATEWAY_PASSWORD}`).toString('base64')}`,
};

/** Where an agent with this folder writes its targets. */
function targetsFileOf(folder: string): string {
  return join(folder, 'targets', 'apps.json');
}

/** Where it renders what its Prometheus is started with. */
export function configFileOf(folder: string): string {
  return join(folder, 'config', 'prometheus.yml');
}

/** Starts an agent that polls often, and waits until its pages are open. */
export async function startAgentProgram(options: AgentOptions): Promise<RunningAgent> {
  await mkdir(options.folder, { recursive: true });
  const address = `${options.host ?? freeAddress()}:${options.port ?? 9091}`;
  const url = `http://${address}`;
  const [command = '', ...args] = options.wrapper ?? [process.execPath];
  const program = startProgram({
    command,
    args: [...args, ...(options.wrapper === undefined ? [] : [process.execPath]), options.main ?? MAIN],
    env: {
      TSURU_HOST: options.tsuruUrl,
      TSURU_TOKEN: options.token,
      ...(options.prometheusUrl === undefined
        ? {
            ...GATEWAY,
            AGENT_GATEWAY_ADDRESS: freeAddress(),
            AGENT_STORAGE_DIR: join(options.folder, 'data'),
            AGENT_PROMETHEUS_LISTEN: options.ownPrometheus ?? `${freeAddress()}:9090`,
          }
        : { PROMETHEUS_URL: options.prometheusUrl }),
      AGENT_LISTEN: address,
      AGENT_DATA_DIR: options.folder,
      AGENT_POLL_INTERVAL: '300ms',
      AGENT_SCRAPE_INTERVAL: '1s',
      AGENT_SCRAPE_TIMEOUT: '1s',
      ...options.env,
    },
    ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
  });

  async function get(path: string, method: 'GET' | 'POST' = 'GET'): Promise<{ status: number; body: string }> {
    const { statusCode, body } = await request(`${url}${path}`, { method, headers: method === 'POST' ? RIGHT : {} });
    return { status: statusCode, body: await body.text() };
  }

  await until('the agent to open its pages', async () => {
    if (program.exited) throw new Error(`the agent ended: ${program.lines.slice(-3).join(' / ')}`);
    return (await get('/healthz')).status === 200;
  });
  return {
    url,
    program,
    targetsFile: targetsFileOf(options.folder),
    get,
    status: async () => JSON.parse((await get('/tsuru/status')).body) as Status,
    poll: () => get('/tsuru/poll', 'POST'),
    async metric(series) {
      const line = (await get('/metrics')).body.split('\n').find((candidate) => candidate.startsWith(`${series} `));
      return line === undefined ? undefined : Number(line.slice(series.length + 1));
    },
    log: () =>
      program.lines.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : [])),
    stop: () => program.stop(),
  };
}
