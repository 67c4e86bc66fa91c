import { fileURLToPath } from 'node:url';
import pMap from 'p-map';
import { request } from 'undici';
import { expect } from '../support/instance.ts';
import { freePort } from '../support/port.ts';
import { viewPrometheus, type ActiveTarget, type PrometheusView } from '../support/prometheus.ts';
import { startService, withInstances, type Service } from '../support/service.ts';
import { until } from '../support/until.ts';
import { createApp, createClient, type Client } from '../tsuru/client.ts';
import { demoImages } from '../tsuru/images.ts';
import { startTsuru, type LocalTsuru } from '../tsuru/server.ts';
import { followLog } from './log.ts';
import { SYNTHETIC_IMAGE, syntheticImage } from './synthetic.ts';

const DEMO_APP = fileURLToPath(new URL('../app/main.ts', import.meta.url));
const PLANS = fileURLToPath(new URL('plans.yaml', import.meta.url));

const INSTANCE = 'my-instance';
const TEAM = 'shop';
/** The app that the instance is. */
export const INSTANCE_APP = 'prometheus-my-instance';

/** Quick enough to watch; in earnest both are 15 s. */
const POLL_INTERVAL = '2s';
const FIRST_PARAMETERS = { scrape_interval: '2s' };
/** Set while everything runs. */
const LIVE_PARAMETERS = {
  scrape_interval: '1s',
  rules:
    'groups:\n  - name: demo\n    rules:\n      - record: my_app:units_up\n        expr: count(up{job="my-app"} == 1)\n',
};

/** How many apps are made, and bound, between two lines of progress. */
const TOLD_APPS = 10;
/** Apps that are deployed at once. */
const DEPLOYS_AT_ONCE = 4;
/** For each further app: Prometheus 2 takes 5 s to notice, and all are new targets. */
const PATIENCE_PER_APP_MS = 1_000;

/** Long enough that Prometheus sees a killed unit down before Tsuru has it back. */
const RESTART_MS = 5_000;
/** A rollout to eight units, and what Prometheus 2 takes to notice. */
const PATIENCE_MS = 60_000;

/** Everything of the demo, running. */
export interface Demo {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  readonly service: Service;
  readonly user: string;
  readonly password: string;
  /** The instance's Prometheus, as its users reach it. */
  readonly prometheus: PrometheusView;
  /** A page of its agent. */
  readonly page: (path: string) => Promise<string>;
}

/** Further apps, for a larger world. */
export interface Further {
  readonly apps: number;
  /** Of each. */
  readonly units: number;
}

/**
 * Starts a Tsuru with an app of three units and the service, adds an instance and binds the app, as a user of Tsuru would. What is started goes
 * onto `stack`.
 */
export async function startDemo(stack: AsyncDisposableStack, say: (line: string) => void): Promise<Demo> {
  const tsuru = await startTsuru({
    images: withInstances((name) => syntheticImage(name) ?? demoImages([process.execPath, DEMO_APP])(name), {
      AGENT_POLL_INTERVAL: POLL_INTERVAL,
    }),
    port: await freePort(8080),
    delays: { restartMs: RESTART_MS },
  });
  stack.defer(() => tsuru.close());
  const admin = createClient(tsuru.url, tsuru.adminToken);
  say(`A Tsuru for this machine runs at ${tsuru.url}.`);
  await createApp(admin, 'my-app', 'shop/my-app:1', 3);
  say('my-app runs on it with 3 units.');
  const service = await startService(stack, tsuru, { plans: PLANS, webhook: true });
  say('The service prometheus is there, with its broker.\n');

  say(`$ tsuru service-instance-add prometheus ${INSTANCE} -t ${TEAM} --plan-param scrape_interval=2s`);
  await service.add(INSTANCE, TEAM, FIRST_PARAMETERS);
  say(`$ tsuru service-instance-bind prometheus ${INSTANCE} -a my-app`);
  await service.bind(INSTANCE, 'my-app');
  const log = new AbortController();
  stack.defer(() => {
    log.abort();
  });
  void followLog(
    tsuru,
    INSTANCE_APP,
    (line) => {
      say(`  agent: ${line}`);
    },
    log.signal,
  );
  await service.untilUp(INSTANCE);

  const info = await service.info(INSTANCE);
  say(
    `$ tsuru service-instance-info prometheus ${INSTANCE}\n${Object.entries(info)
      .map(([label, value]) => `  ${label}: ${value}`)
      .join('\n')}\n`,
  );
  const url = info['Address'] ?? '';
  say(`The status page of the instance: ${url}/`);
  const [user = '', password = ''] = (info['User and Password'] ?? '').split(' / ');
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return {
    tsuru,
    admin,
    service,
    user,
    password,
    prometheus: viewPrometheus(url, { user, password }),
    async page(path) {
      const { body } = await request(`${url}${path}`, { headers: { authorization } });
      return body.text();
    },
  };
}

/** Adds further apps with synthetic units, and binds them. */
export async function addFurther(
  { admin, service }: Demo,
  { apps, units }: Further,
  say: (line: string) => void,
): Promise<void> {
  const names = Array.from({ length: apps }, (_, index) => `app-${index + 1}`);
  const told = (done: number, what: string): void => {
    if (done % TOLD_APPS === 0 || done === apps) say(`${done} of ${apps} further apps ${what}.`);
  };
  let made = 0;
  await pMap(
    names,
    async (name) => {
      await createApp(admin, name, SYNTHETIC_IMAGE, units);
      told(++made, `run, with ${units} units each`);
    },
    { concurrency: DEPLOYS_AT_ONCE },
  );
  for (const [index, name] of names.entries()) {
    await service.bind(INSTANCE, name);
    told(index + 1, 'are bound');
  }
}

/** Waits until Prometheus reports exactly this many units up, and nothing else. */
export function untilUp({ prometheus }: Demo, count: number, apps = 0): Promise<readonly ActiveTarget[]> {
  return prometheus.untilTargets(
    `${count} of ${count} units up in Prometheus`,
    (targets) => targets.length === count && targets.every(({ health }) => health === 'up'),
    PATIENCE_MS + apps * PATIENCE_PER_APP_MS,
  );
}

/** Scales out by two, deploys a new version, changes settings and unbinds, and sees each arrive in Prometheus. */
export async function walkThrough(
  demo: Demo,
  say: (line: string) => void,
  show: (targets: readonly ActiveTarget[]) => void,
): Promise<void> {
  const { admin, prometheus, service } = demo;
  say('$ tsuru unit add 2 -a my-app');
  await expect(admin.call('PUT', '/1.0/apps/my-app/units', { form: { units: 2, process: 'web' } }), 200);
  const old = await untilUp(demo, 5);
  show(old);

  say('$ tsuru app deploy -a my-app -i shop/my-app:2');
  await expect(
    admin.call('POST', '/1.0/apps/my-app/deploy', { form: { image: 'shop/my-app:2', origin: 'image' } }),
    200,
  );
  const oldUnits = new Set(old.map((target) => target.instance));
  const replaced = await prometheus.untilTargets(
    '5 new units up and no old one in Prometheus',
    (targets) =>
      targets.length === 5 && targets.every((target) => target.health === 'up' && !oldUnits.has(target.instance)),
    PATIENCE_MS,
  );
  show(replaced);

  await changeLive(demo, say);

  say(`$ tsuru service-instance-unbind prometheus ${INSTANCE} -a my-app`);
  await service.unbind(INSTANCE, 'my-app');
  await prometheus.untilTargets('no target left in Prometheus', (targets) => targets.length === 0, PATIENCE_MS);
  say('Prometheus has no targets left.');
}

/** Changes interval and rules, and then the retention, and sees that nothing restarts that need not. */
async function changeLive(demo: Demo, say: (line: string) => void): Promise<void> {
  const { prometheus, service } = demo;
  const before = await startsOf(demo);
  say(
    `$ tsuru service-instance-update prometheus ${INSTANCE} --plan-param scrape_interval=1s --plan-param rules="$(cat rules.yml)"`,
  );
  await service.update(INSTANCE, TEAM, LIVE_PARAMETERS);
  await prometheus.untilTargets(
    'every unit scraped each second',
    (targets) => targets.length === 5 && targets.every(({ interval }) => interval === '1s'),
    PATIENCE_MS,
  );
  await until(
    'the rule evaluated',
    async () => (await prometheus.query('my_app:units_up == 5')).size === 1,
    PATIENCE_MS,
  );
  if ((await startsOf(demo)) !== before) throw new Error('Prometheus was restarted for what a reload does');
  say('Prometheus scrapes each second and evaluates the rule, without a restart.\n');

  say(`$ tsuru service-instance-update prometheus ${INSTANCE} --plan-param retention=4h ...`);
  await service.update(INSTANCE, TEAM, { ...LIVE_PARAMETERS, retention: '4h' });
  await until('the new retention', async () => (await retentionOf(prometheus)).startsWith('4h'), PATIENCE_MS);
  const restarts = (await startsOf(demo)) - before;
  await untilUp(demo, 5);
  say(
    restarts === 0
      ? 'Prometheus keeps samples for 4h now, without a restart.\n'
      : 'Prometheus keeps samples for 4h now: this version needed a restart for that, of itself alone.\n',
  );
}

async function startsOf({ page }: Demo): Promise<number> {
  return Number(/^tsuru_agent_prometheus_starts_total (\d+)$/m.exec(await page('/metrics'))?.[1]);
}

async function retentionOf(prometheus: PrometheusView): Promise<string> {
  return String((await prometheus.get('/api/v1/status/runtimeinfo'))['storageRetention']);
}
