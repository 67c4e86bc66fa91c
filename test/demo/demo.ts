import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configFileOf, startAgentProgram, type RunningAgent } from '../support/agent.ts';
import { createInstance, expect, type Instance } from '../support/instance.ts';
import { freePort } from '../support/port.ts';
import { startPrometheus, type ActiveTarget, type RunningPrometheus } from '../support/prometheus.ts';
import { createApp, createClient, type Client } from '../tsuru/client.ts';
import { demoImages } from '../tsuru/images.ts';
import { startTsuru, type LocalTsuru } from '../tsuru/server.ts';

const DEMO_APP = fileURLToPath(new URL('../app/main.ts', import.meta.url));

/** Quick enough to watch; in earnest both are 15 s. */
const POLL_INTERVAL = '2s';
const SCRAPE_INTERVAL = '2s';

/** Long enough that Prometheus sees a killed unit down before Tsuru has it back. */
const RESTART_MS = 5_000;

/** Everything of the demo, running. */
export interface Demo {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  readonly instance: Instance;
  readonly prometheus: RunningPrometheus;
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

  const prometheusAddress = `127.0.0.1:${await freePort(9090)}`;
  const agent = await startAgentProgram({
    folder: join(folder, 'agent'),
    tsuruUrl: tsuru.url,
    token: instance.token,
    prometheusUrl: `http://${prometheusAddress}`,
    host: '127.0.0.1',
    port: await freePort(9091),
    env: {
      TSURU_APPNAME: instance.app,
      AGENT_POLL_INTERVAL: POLL_INTERVAL,
      AGENT_SCRAPE_INTERVAL: SCRAPE_INTERVAL,
      AGENT_SCRAPE_TIMEOUT: SCRAPE_INTERVAL,
    },
    onLine: (line) => {
      say(`  agent: ${messageOf(line)}`);
    },
  });
  stack.defer(async () => {
    await agent.stop();
  });
  const configFile = configFileOf(join(folder, 'agent'));
  const prometheus = await startPrometheus({ folder, configFile, address: prometheusAddress });
  stack.defer(() => prometheus.stop());
  return { tsuru, admin, instance, prometheus, agent };
}

/** A log line's message alone: the rest is for machines. */
function messageOf(line: string): string {
  try {
    const { msg } = JSON.parse(line) as { msg?: unknown };
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

  say('Unbinding my-app ...');
  await instance.unbind('my-app');
  await prometheus.untilTargets('no target left in Prometheus', (targets) => targets.length === 0, 60_000);
  say('Prometheus has no targets left.');
}
