import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { GATEWAY, startAgentProgram, type RunningAgent } from '../support/agent.ts';
import { createInstance, expect, type Instance } from '../support/instance.ts';
import { freePort } from '../support/port.ts';
import { viewPrometheus, type ActiveTarget, type PrometheusView } from '../support/prometheus.ts';
import { until } from '../support/until.ts';
import { createApp, createClient, type Client } from '../tsuru/client.ts';
import { demoImages } from '../tsuru/images.ts';
import { startTsuru, type LocalTsuru } from '../tsuru/server.ts';

const DEMO_APP = fileURLToPath(new URL('../app/main.ts', import.meta.url));

/** Quick enough to watch; in earnest both are 15 s. */
const POLL_INTERVAL = '2s';
const SCRAPE_INTERVAL = '2s';

/** A small plan's. */
const TMPFS_SIZE = '128m';
/** Mounts a tmpfs that only the command after it sees: it goes with the command, however that ends. */
const WITH_TMPFS = `mount -t tmpfs -o size=${TMPFS_SIZE} tmpfs "$0" && exec "$@"`;

/** The instance's settings at first, and those that the walk sets while everything runs. */
const FIRST_SETTINGS = { scrape_interval: SCRAPE_INTERVAL, retention: '2h' };
const LIVE_SETTINGS = {
  ...FIRST_SETTINGS,
  scrape_interval: '1s',
  rules:
    'groups:\n  - name: demo\n    rules:\n      - record: my_app:units_up\n        expr: count(up{job="my-app"} == 1)\n',
};

/** Long enough that Prometheus sees a killed unit down before Tsuru has it back. */
const RESTART_MS = 5_000;

/** Everything of the demo, running. */
export interface Demo {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  readonly instance: Instance;
  /** Its Prometheus, through the gateway. */
  readonly prometheus: PrometheusView;
  readonly agent: RunningAgent;
}

/** Starts a Tsuru with an app of three units, an instance bound to it, and its Prometheus and agent. What is started goes onto `stack`. */
export async function startDemo(stack: AsyncDisposableStack, say: (line: string) => void): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'prometheus-demo-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));

  const tsuru = await startTsuru({
    images: demoImages([process.execPath, DEMO_APP]),
    port: await freePort(8080),
    delays: { restartMs: RESTART_MS },
  });
  stack.defer(() => tsuru.close());
  const admin = createClient(tsuru.url, tsuru.adminToken);
  say(`A Tsuru for this machine runs at ${tsuru.url}.`);
  await createApp(admin, 'my-app', 'shop/my-app:1', 3);
  say('my-app runs on it with 3 units.');
  const instance = await createInstance(admin, 'my-instance', 'shop');
  await instance.bind('my-app');
  say('The instance my-instance is bound to my-app.');

  await expect(admin.call('POST', '/1.0/apps', { json: { name: instance.app, teamOwner: 'shop', pool: 'dev' } }), 201);
  await instance.bind(instance.app);
  await setSettings({ admin, instance }, FIRST_SETTINGS);

  const storage = join(folder, 'data');
  await mkdir(storage);
  const canMount = process.platform === 'linux' && process.getuid?.() === 0;
  const port = await freePort(8888);
  const agent = await startAgentProgram({
    folder: join(folder, 'agent'),
    tsuruUrl: tsuru.url,
    token: instance.token,
    prometheusUrl: undefined,
    ownPrometheus: `127.0.0.1:${await freePort(9090)}`,
    ...(canMount ? { wrapper: ['unshare', '--mount', 'sh', '-c', WITH_TMPFS, storage] } : {}),
    host: '127.0.0.1',
    port: await freePort(9091),
    env: {
      TSURU_APPNAME: instance.app,
      AGENT_POLL_INTERVAL: POLL_INTERVAL,
      AGENT_STORAGE_DIR: storage,
      AGENT_GATEWAY_ADDRESS: '127.0.0.1',
      PORT: String(port),
    },
    onLine: (line) => {
      const message = messageOf(line);
      if (message !== undefined) say(`  agent: ${message}`);
    },
  });
  stack.defer(async () => {
    await agent.stop();
  });
  await until('the agent to be ready', async () => (await agent.get('/readyz')).status === 200);
  const { GATEWAY_USERNAME: user, GATEWAY_PASSWORD: password } = GATEWAY;
  const prometheus = viewPrometheus(`http://127.0.0.1:${port}`, { user, password });
  say(
    canMount
      ? `Its agent runs a Prometheus behind a password, with its data in memory (a tmpfs of ${TMPFS_SIZE}).`
      : 'Its agent runs a Prometheus behind a password, with its data on disk: only root may mount a tmpfs.',
  );
  return { tsuru, admin, instance, prometheus, agent };
}

/** As the broker does with `tsuru service-instance-update`. */
async function setSettings({ admin, instance }: Pick<Demo, 'admin' | 'instance'>, settings: object): Promise<void> {
  const metadata = { annotations: [{ name: SETTINGS_ANNOTATION, value: JSON.stringify(settings) }] };
  await expect(admin.call('PUT', `/1.0/apps/${instance.app}`, { json: { metadata, noRestart: true } }), 200);
}

/** A log line's message alone: the rest is for machines, and Prometheus' own lines are many. */
function messageOf(line: string): string | undefined {
  try {
    const { msg, component } = JSON.parse(line) as { msg?: unknown; component?: unknown };
    if (component === 'prometheus') return undefined;
    return typeof msg === 'string' ? msg : line;
  } catch {
    return line;
  }
}

/** Waits until Prometheus reports exactly so many units up, and nothing else. */
export function untilUp({ prometheus }: Demo, count: number): Promise<readonly ActiveTarget[]> {
  return prometheus.untilTargets(
    `${count} of ${count} units up in Prometheus`,
    (targets) => targets.length === count && targets.every(({ health }) => health === 'up'),
    60_000,
  );
}

/** Scales out by two, deploys a new version, and unbinds, and sees each arrive in Prometheus. */
export async function walkThrough(
  demo: Demo,
  say: (line: string) => void,
  show: (targets: readonly ActiveTarget[]) => void,
): Promise<void> {
  const { admin, instance, prometheus } = demo;
  say('Scaling my-app to 5 units ...');
  await expect(admin.call('PUT', '/1.0/apps/my-app/units', { form: { units: 2, process: 'web' } }), 200);
  const old = await untilUp(demo, 5);
  show(old);

  say('Deploying version 2 ...');
  await expect(
    admin.call('POST', '/1.0/apps/my-app/deploy', { form: { image: 'shop/my-app:2', origin: 'image' } }),
    200,
  );
  const oldUnits = new Set(old.map((target) => target.instance));
  const replaced = await prometheus.untilTargets(
    '5 new units up and no old one in Prometheus',
    (targets) =>
      targets.length === 5 && targets.every((target) => target.health === 'up' && !oldUnits.has(target.instance)),
    60_000,
  );
  show(replaced);

  await changeLive(demo, say);

  say('Unbinding my-app ...');
  await instance.unbind('my-app');
  await prometheus.untilTargets('no target left in Prometheus', (targets) => targets.length === 0, 60_000);
  say('Prometheus has no targets left.');
}

/** Changes interval and rules, and then the retention, and sees that nothing restarts that need not. */
async function changeLive(demo: Demo, say: (line: string) => void): Promise<void> {
  const { prometheus, agent } = demo;
  const starts = async (): Promise<number> => (await agent.metric('tsuru_agent_prometheus_starts_total')) ?? 0;
  const before = await starts();
  say('Setting scrape_interval=1s and a rule ...');
  await setSettings(demo, LIVE_SETTINGS);
  await prometheus.untilTargets(
    'every unit scraped each second',
    (targets) => targets.length === 5 && targets.every(({ interval }) => interval === '1s'),
    60_000,
  );
  await until('the rule evaluated', async () => (await prometheus.query('my_app:units_up == 5')).size === 1, 60_000);
  if ((await starts()) !== before) throw new Error('Prometheus was restarted for what a reload does');
  say('Prometheus scrapes each second and evaluates the rule, without a restart.');

  say('Setting retention=4h ...');
  await setSettings(demo, { ...LIVE_SETTINGS, retention: '4h' });
  await until('the new retention', async () => (await retentionOf(prometheus)).startsWith('4h'), 60_000);
  const restarts = (await starts()) - before;
  await untilUp(demo, 5);
  say(
    restarts === 0
      ? 'Prometheus keeps samples for 4h now, without a restart.'
      : 'Prometheus keeps samples for 4h now: this version needed a restart for that, of itself alone.',
  );
}

async function retentionOf(prometheus: PrometheusView): Promise<string> {
  return String((await prometheus.get('/api/v1/status/runtimeinfo'))['storageRetention']);
}
