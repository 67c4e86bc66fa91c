import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createApp, createClient, type Client } from '../tsuru/client.ts';
import type { Image, Images } from '../tsuru/images.ts';
import { startTsuru, type LocalTsuru, type TsuruOptions } from '../tsuru/server.ts';
import { freeAddress } from './address.ts';
import { configFileOf, startAgentProgram, type AgentOptions, type RunningAgent } from './agent.ts';
import { temporaryFolder } from './folder.ts';
import { createInstance, expect, type Instance } from './instance.ts';
import {
  ownAccess,
  startPrometheus,
  viewPrometheus,
  type PrometheusOptions,
  type PrometheusView,
  type RunningPrometheus,
} from './prometheus.ts';
import { until } from './until.ts';
import { httpUnit } from './unit.ts';

/** A unit that answers /metrics, and everything else, with one sample. */
export const metricsUnit = httpUnit(() => (request, response) => {
  response.setHeader('content-type', 'text/plain; version=0.0.4');
  response.end(`asked_for{path=${JSON.stringify(request.url)}} 1\n`);
});

/** Every image has a process web that answers /metrics; `-portNNNN` and `worker` in its name mean what they mean in the demo's images. */
const metricsImages: Images = (name): Image => {
  const exposes = /-port(\d+)/.exec(name)?.[1];
  return {
    ...(exposes === undefined ? {} : { exposes: Number(exposes) }),
    ...(name.includes('ipv6') ? { address: '::1' } : {}),
    processes: name.includes('worker')
      ? { web: metricsUnit, worker: name.includes('silent') ? 'nothing' : metricsUnit }
      : { web: metricsUnit },
  };
};

/** Units that have addresses, and nothing that listens there. */
export const silentImages: Images = () => ({ processes: { web: 'nothing' } });

/** A Tsuru, an instance on it, and a folder for its agent and Prometheus; all of it ends with the test. */
export interface World extends AsyncDisposable {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  readonly instance: Instance;
  readonly folder: string;
  /** `host:port` at which the agent expects its Prometheus. */
  readonly prometheusAddress: string;
  createApp(name: string, units?: number, image?: string): Promise<void>;
  /** Creates an app and binds it. */
  bindNew(name: string, units?: number, image?: string): Promise<void>;
  addUnits(app: string, units: number, process?: string): Promise<void>;
  removeUnits(app: string, units: number, process?: string): Promise<void>;
  deploy(app: string, image: string): Promise<void>;
  /** Annotates an app, or a process of it. */
  annotate(app: string, annotations: Readonly<Record<string, string>>, process?: string): Promise<void>;
  startAgent(options?: Partial<AgentOptions>): Promise<RunningAgent>;
  /** The agent's Prometheus; the agent must have been started before. */
  startPrometheus(options?: Partial<PrometheusOptions>): Promise<RunningPrometheus>;
  /** An agent that runs its own Prometheus, and that one once it is ready. */
  startSupervised(options?: Partial<AgentOptions>): Promise<{ agent: RunningAgent; prometheus: PrometheusView }>;
  /** Writes a file of rules where the agent looks for them. */
  writeRule(name: string, text: string): Promise<void>;
}

export async function startWorld(options: Partial<TsuruOptions> = {}): Promise<World> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const tsuru = await startTsuru({ images: metricsImages, ...options });
  stack.defer(() => tsuru.close());
  const admin = createClient(tsuru.url, tsuru.adminToken);
  const instance = await createInstance(admin, 'my-instance', 'shop');
  const agentFolder = join(folder, 'agent');
  const prometheusAddress = `${freeAddress()}:9090`;

  const world: World = {
    tsuru,
    admin,
    instance,
    folder,
    prometheusAddress,
    createApp: (name, units = 1, image = 'shop/app:1') => createApp(admin, name, image, units),
    async bindNew(name, units, image) {
      await world.createApp(name, units, image);
      await instance.bind(name);
    },
    async addUnits(app, units, process = 'web') {
      await expect(admin.call('PUT', `/1.0/apps/${app}/units`, { form: { units, process } }), 200);
    },
    async removeUnits(app, units, process = 'web') {
      await expect(admin.call('DELETE', `/1.0/apps/${app}/units?units=${units}&process=${process}`), 200);
    },
    async deploy(app, image) {
      await expect(admin.call('POST', `/1.0/apps/${app}/deploy`, { form: { image, origin: 'image' } }), 200);
    },
    async annotate(app, annotations, process) {
      const metadata = { annotations: Object.entries(annotations).map(([name, value]) => ({ name, value })) };
      const body = process === undefined ? { metadata } : { processes: [{ name: process, metadata }] };
      await expect(admin.call('PUT', `/1.0/apps/${app}`, { json: { ...body, noRestart: true } }), 200);
    },
    async startAgent(more = {}) {
      const agent = await startAgentProgram({
        folder: agentFolder,
        tsuruUrl: tsuru.url,
        token: instance.token,
        prometheusUrl: `http://${prometheusAddress}`,
        ...more,
      });
      stack.defer(async () => {
        await agent.stop();
      });
      return agent;
    },
    async startSupervised(more = {}) {
      const agent = await world.startAgent({ prometheusUrl: undefined, ownPrometheus: prometheusAddress, ...more });
      const prometheus = viewPrometheus(`http://${prometheusAddress}`, () => ownAccess(more.folder ?? agentFolder));
      await until('the agent to be ready', async () => (await agent.get('/readyz')).status === 200);
      return { agent, prometheus };
    },
    async writeRule(name, text) {
      await mkdir(join(agentFolder, 'rules'), { recursive: true });
      await writeFile(join(agentFolder, 'rules', name), text);
    },
    async startPrometheus(more = {}) {
      const prometheus = await startPrometheus({
        folder,
        configFile: configFileOf(agentFolder),
        address: prometheusAddress,
        ...more,
      });
      stack.defer(() => prometheus.stop());
      return prometheus;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
  return world;
}
