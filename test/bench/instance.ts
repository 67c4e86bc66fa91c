import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { freeAddress } from '../support/address.ts';
import { GATEWAY } from '../support/agent.ts';
import { temporaryFolder } from '../support/folder.ts';
import { startProgram, type Program } from '../support/program.ts';
import { NODE_ENVIRONMENT } from '../support/runtime.ts';
import { until } from '../support/until.ts';
import { monotonicMs } from './moments.ts';
import { cpuMs, memoryMb } from './process.ts';
import { BASE_CONFIG } from './scene.ts';
import { startStub } from './stub.ts';

const LOAD = fileURLToPath(new URL('load.ts', import.meta.url));
const READY_LIMIT_MS = 120_000;

/** An instance as it runs in its container: the agent with its own Prometheus, and units that are scraped. */
export interface InstancePlan {
  readonly units: number;
  readonly seriesPerUnit: number;
  /** How long memory and CPU are watched, at the usual interval of 15 s. */
  readonly watchMs: number;
  /** The data of a restart: this many scrapes, one a second, of a tenth of the units with ten times the series. */
  readonly scrapes: number;
}

export interface InstanceTimes {
  readonly units: number;
  readonly series: number;
  readonly startMs: number;
  readonly agent: { readonly memoryMb: number; readonly cpuShare: number };
  readonly prometheus: { readonly memoryMb: number; readonly cpuShare: number };
  readonly restartMs: number;
  readonly restartScrapes: number;
}

interface Instance extends AsyncDisposable {
  readonly agent: Program;
  /** From the start of the agent until it is ready. */
  readonly readyMs: number;
  /** The number of its Prometheus' process. */
  readonly prometheus: number;
}

export async function measureInstance(
  owner: AsyncDisposableStack,
  { units, seriesPerUnit, watchMs, scrapes }: InstancePlan,
  agent: readonly string[],
): Promise<InstanceTimes> {
  const watched = await watch(owner, { units, series: seriesPerUnit, interval: '15s', agent }, async (instance) => {
    const { pid } = instance.agent;
    const before = { agent: cpuMs(pid), prometheus: cpuMs(instance.prometheus), atMs: monotonicMs() };
    await wait(watchMs);
    const tookMs = monotonicMs() - before.atMs;
    return {
      startMs: instance.readyMs,
      agent: { memoryMb: memoryMb(pid).now, cpuShare: (cpuMs(pid) - before.agent) / tookMs },
      prometheus: {
        memoryMb: memoryMb(instance.prometheus).now,
        cpuShare: (cpuMs(instance.prometheus) - before.prometheus) / tookMs,
      },
    };
  });
  const few = { units: Math.ceil(units / 10), series: seriesPerUnit * 10, interval: '1s', agent };
  const restartMs = await watch(owner, few, async (_instance, again) => {
    await wait(scrapes * 1_000);
    return (await again()).readyMs;
  });
  return { units, series: units * seriesPerUnit, ...watched, restartMs, restartScrapes: scrapes };
}

interface World {
  readonly units: number;
  readonly series: number;
  readonly interval: string;
  readonly agent: readonly string[];
}

/** Runs an instance with units that answer, and looks at it; `again` stops it in order and starts it on the same data. */
async function watch<T>(
  owner: AsyncDisposableStack,
  { units, series, interval, agent: words }: World,
  look: (instance: Instance, again: () => Promise<Instance>) => Promise<T>,
): Promise<T> {
  await using stack = owner.use(new AsyncDisposableStack());
  const { path: folder } = stack.use(await temporaryFolder());
  const stub = await startStub(units, units);
  stack.defer(async () => {
    await stub.stop();
  });
  const load = startProgram({
    command: process.execPath,
    args: [LOAD, '--units', String(units), '--series', String(series)],
  });
  stack.defer(async () => {
    await load.stop();
  });
  await until('the units to listen', () => load.lines.includes('ready'), READY_LIMIT_MS);
  const address = freeAddress();
  const environment = {
    ...GATEWAY,
    ...NODE_ENVIRONMENT,
    ...{ TSURU_HOST: stub.url, TSURU_TOKEN: 'a-token-of-the-bench', PORT: '8888', AGENT_GATEWAY_ADDRESS: address },
    ...{ AGENT_LISTEN: `${address}:9091`, AGENT_PROMETHEUS_LISTEN: `${address}:9090`, AGENT_BASE_CONFIG: BASE_CONFIG },
    ...{ AGENT_DATA_DIR: join(folder, 'agent'), AGENT_STORAGE_DIR: join(folder, 'data') },
    ...{ AGENT_SCRAPE_INTERVAL: interval, AGENT_SCRAPE_TIMEOUT: '1s' },
  };
  const run = async (): Promise<Instance> => {
    const startedMs = monotonicMs();
    const [command = '', ...args] = words;
    const agent = startProgram({ command, args, env: environment });
    stack.defer(async () => {
      await agent.stop();
    });
    await until('the instance to be ready', () => isReady(address, agent), READY_LIMIT_MS);
    const readyMs = monotonicMs() - startedMs;
    await until('all targets', () => hasTargets(address, units), READY_LIMIT_MS);
    const prometheus = JSON.parse(agent.lines.find((line) => line.includes('"Prometheus is started"')) ?? '{}') as {
      pid: number;
    };
    return {
      agent,
      readyMs,
      prometheus: prometheus.pid,
      [Symbol.asyncDispose]: () => agent.stop().then(() => undefined),
    };
  };
  const first = await run();
  return await look(first, async () => {
    await first.agent.stop();
    return run();
  });
}

async function isReady(address: string, agent: Program): Promise<boolean> {
  if (agent.exited) throw new Error(`the agent ended: ${agent.lines.slice(-3).join(' / ')}`);
  const { statusCode, body } = await request(`http://${address}:8888/-/ready`);
  await body.dump();
  return statusCode === 200;
}

async function hasTargets(address: string, units: number): Promise<boolean> {
  const { body } = await request(`http://${address}:9091/metrics`);
  const text = await body.text();
  return text.includes('tsuru_agent_in_sync 1') && text.includes(`tsuru_agent_targets{app="bench-0001"} ${units}`);
}
