import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { freeAddress } from '../support/address.ts';
import { configFileOf } from '../support/agent.ts';
import { temporaryFolder } from '../support/folder.ts';
import { NODE_ENVIRONMENT } from '../support/runtime.ts';
import { startProgram, type Program } from '../support/program.ts';
import { startPrometheus, type RunningPrometheus } from '../support/prometheus.ts';
import { until } from '../support/until.ts';
import { watchRenames } from './moments.ts';
import { startStub, type Stub } from './stub.ts';

export const BASE_CONFIG = fileURLToPath(new URL('../../image/prometheus.yml', import.meta.url));
/** Nobody listens at the units' addresses, so scraping them would only be noise. */
const SCRAPE_INTERVAL = '1h';
/** How long the first targets may take into Prometheus. */
const START_LIMIT_MS = 120_000;

export interface SceneOptions {
  readonly units: number;
  readonly unitsPerApp: number;
  /** The words that run the agent. */
  readonly agent: readonly string[];
  /** AGENT_POLL_INTERVAL; undefined for the agent's own. */
  readonly pollInterval: string | undefined;
}

/** A Tsuru with apps, an agent and its Prometheus, each a process of its own; the targets are in Prometheus. */
export interface Scene extends AsyncDisposable {
  readonly stub: Stub;
  readonly agent: Program;
  readonly prometheus: RunningPrometheus;
  readonly rulesFolder: string;
  /** The moments at which the target file was put in place. */
  readonly renames: readonly number[];
  /** The sum of a metric of the agent over its labels. */
  metric(name: string): Promise<number>;
}

/** Starts a scene; what was started by then ends with `owner`, also when the start is broken off. */
export async function startScene(owner: AsyncDisposableStack, options: SceneOptions): Promise<Scene> {
  const stack = owner.use(new AsyncDisposableStack());
  const { path: folder } = stack.use(await temporaryFolder());
  const stub = await startStub(options.units, options.unitsPerApp);
  stack.defer(async () => {
    await stub.stop();
  });
  const data = join(folder, 'agent');
  const targetsFile = join(data, 'targets', 'apps.json');
  const rulesFolder = join(data, 'rules');
  await mkdir(dirname(targetsFile), { recursive: true });
  await mkdir(rulesFolder);
  const { moments } = stack.use(watchRenames(targetsFile));

  const prometheusAddress = `${freeAddress()}:9090`;
  const listen = `${freeAddress()}:9091`;
  const [command = '', ...args] = options.agent;
  const agent = startProgram({
    command,
    args,
    env: {
      TSURU_HOST: stub.url,
      TSURU_TOKEN: 'a-token-of-the-bench',
      PROMETHEUS_URL: `http://${prometheusAddress}`,
      AGENT_LISTEN: listen,
      AGENT_DATA_DIR: data,
      // A compiled agent has none beside it.
      AGENT_BASE_CONFIG: BASE_CONFIG,
      AGENT_SCRAPE_INTERVAL: SCRAPE_INTERVAL,
      ...NODE_ENVIRONMENT,
      NODE_OPTIONS: process.env['NODE_OPTIONS'] ?? '',
      ...(options.pollInterval === undefined ? {} : { AGENT_POLL_INTERVAL: options.pollInterval }),
    },
  });
  stack.defer(async () => {
    await agent.stop();
  });
  await until('the agent to write its first targets', () => {
    if (agent.exited) throw new Error(`the agent ended: ${agent.lines.slice(-3).join(' / ')}`);
    return moments.length > 0;
  });
  const prometheus = await startPrometheus({ folder, configFile: configFileOf(data), address: prometheusAddress });
  stack.defer(() => prometheus.stop());

  async function metric(name: string): Promise<number> {
    const { body } = await request(`http://${listen}/metrics`);
    const lines = (await body.text()).split('\n');
    const values = lines.filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  await until(
    'all targets to be in Prometheus',
    async () => (await metric('tsuru_agent_targets')) === options.units && (await metric('tsuru_agent_in_sync')) === 1,
    START_LIMIT_MS,
  );
  return {
    stub,
    agent,
    prometheus,
    rulesFolder,
    renames: moments,
    metric,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
