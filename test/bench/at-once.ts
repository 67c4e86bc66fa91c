import { setTimeout as wait } from 'node:timers/promises';
import { expect } from '../support/instance.ts';
import { viewPrometheus, type ActiveTarget, type PrometheusView } from '../support/prometheus.ts';
import { startService, withInstances, type Service } from '../support/service.ts';
import { metricsUnit } from '../support/world.ts';
import { createApp, createClient, type Client } from '../tsuru/client.ts';
import { startTsuru, type LocalTsuru } from '../tsuru/server.ts';
import { monotonicMs } from './moments.ts';
import { summarize, type Summary } from './statistics.ts';

const LOOK_EVERY_MS = 10;
/** A poll, what Prometheus 2.42 takes to apply a file, and a scrape. */
const LIMIT_MS = 120_000;
/** From 3.12 on, Prometheus waits longer and longer between updates, and starts anew once it had none for 5 to 7.5 s. */
const LONE_PAUSE_MS = 10_000;
/** Changes come at any moment between two polls. */
const SPREAD_MS = 5_000;
const ROLLED_UNITS = 4;
/** A unit of a rollout is not ready at once. */
const ROLLOUT_STARTING_MS = 1_000;

/** From the end of Tsuru's event to Prometheus, each. */
export interface AtOnceTimes {
  readonly webhook: boolean;
  readonly bindToActiveMs: Summary;
  readonly bindToSampleMs: Summary;
  readonly addToActiveMs: Summary;
  /** As long as an old target is still scraped. */
  readonly removeToGoneMs: Summary;
  readonly deployToActiveMs: Summary;
  readonly deployToGoneMs: Summary;
}

export interface AtOncePlan {
  /** Of each kind of change that comes alone. */
  readonly changes: number;
  readonly rollouts: number;
}

interface Scene {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  readonly service: Service;
  readonly prometheus: PrometheusView;
}

/** One instance with its real agent at its own pace, and a Tsuru whose webhook tells the broker of changes, or not. */
export async function measureAtOnce(
  owner: AsyncDisposableStack,
  { changes, rollouts }: AtOncePlan,
  webhook: boolean,
): Promise<AtOnceTimes> {
  await using stack = owner.use(new AsyncDisposableStack());
  const tsuru = await startTsuru({ images: withInstances(() => ({ processes: { web: metricsUnit } })) });
  stack.defer(() => tsuru.close());
  const admin = createClient(tsuru.url, tsuru.adminToken);
  const service = await startService(stack, tsuru, { webhook });
  await service.add('my-instance', 'shop');
  await service.untilUp('my-instance');
  const info = await service.info('my-instance');
  const [user = '', password = ''] = (info['User and Password'] ?? '').split(' / ');
  const scene = { tsuru, admin, service, prometheus: viewPrometheus(info['Address'] ?? '', { user, password }) };
  return { webhook, ...(await measureLone(scene, changes)), ...(await measureRollouts(scene, rollouts)) };
}

async function measureLone(
  { tsuru, admin, service, prometheus }: Scene,
  changes: number,
): Promise<Pick<AtOnceTimes, 'bindToActiveMs' | 'bindToSampleMs' | 'addToActiveMs' | 'removeToGoneMs'>> {
  const times = { bind: [], sample: [], add: [], remove: [] } as Record<'bind' | 'sample' | 'add' | 'remove', number[]>;
  for (let index = 0; index < changes; index += 1) {
    const app = `app-${index}`;
    await createApp(admin, app, 'shop/app:1');
    await alone();
    await service.bind('my-instance', app);
    const boundMs = monotonicMs();
    times.bind.push(await after(boundMs, prometheus, (targets) => of(app, targets).length === 1));
    times.sample.push(await after(boundMs, prometheus, (targets) => of(app, targets).some(isUp)));
    await alone();
    await expect(admin.call('PUT', `/1.0/apps/${app}/units`, { form: { units: 1, process: 'web' } }), 200);
    times.add.push(await after(monotonicMs(), prometheus, (targets) => of(app, targets).length === 2));
    await alone();
    const before = new Set(tsuru.units(app).map(({ name }) => name));
    await expect(admin.call('DELETE', `/1.0/apps/${app}/units?units=1&process=web`), 200);
    const removedMs = monotonicMs();
    for (const { name } of tsuru.units(app)) before.delete(name);
    times.remove.push(await after(removedMs, prometheus, hasNone(app, before)));
  }
  return {
    bindToActiveMs: summarize(times.bind),
    bindToSampleMs: summarize(times.sample),
    addToActiveMs: summarize(times.add),
    removeToGoneMs: summarize(times.remove),
  };
}

async function measureRollouts(
  { tsuru, admin, service, prometheus }: Scene,
  rollouts: number,
): Promise<Pick<AtOnceTimes, 'deployToActiveMs' | 'deployToGoneMs'>> {
  const app = 'rolled';
  const active: number[] = [];
  const gone: number[] = [];
  await createApp(admin, app, 'shop/app:1', ROLLED_UNITS);
  await service.bind('my-instance', app);
  tsuru.delays.startingMs = ROLLOUT_STARTING_MS;
  for (let index = 0; index < rollouts; index += 1) {
    await after(monotonicMs(), prometheus, (targets) => of(app, targets).length === ROLLED_UNITS);
    await alone();
    const old = new Set(tsuru.units(app).map(({ name }) => name));
    const form = { image: `shop/app:${index + 2}`, origin: 'image' };
    await expect(admin.call('POST', `/1.0/apps/${app}/deploy`, { form }), 200);
    const endedMs = monotonicMs();
    const isNew = ({ instance }: ActiveTarget): boolean => !old.has(instance);
    const [activeMs, goneMs] = await Promise.all([
      after(endedMs, prometheus, (targets) => of(app, targets).filter(isNew).length === ROLLED_UNITS),
      after(endedMs, prometheus, hasNone(app, old)),
    ]);
    active.push(activeMs);
    gone.push(goneMs);
  }
  return { deployToActiveMs: summarize(active), deployToGoneMs: summarize(gone) };
}

function alone(): Promise<void> {
  return wait(LONE_PAUSE_MS + Math.random() * SPREAD_MS);
}

/** How long after a moment Prometheus' targets fulfil a condition. */
async function after(
  startedMs: number,
  prometheus: PrometheusView,
  condition: (targets: readonly ActiveTarget[]) => boolean,
): Promise<number> {
  while (monotonicMs() - startedMs < LIMIT_MS) {
    if (condition(await prometheus.targets())) return monotonicMs() - startedMs;
    await wait(LOOK_EVERY_MS);
  }
  throw new Error(`a change was not in Prometheus within ${LIMIT_MS / 1000} s`);
}

function of(app: string, targets: readonly ActiveTarget[]): readonly ActiveTarget[] {
  return targets.filter(({ job }) => job === app);
}

function isUp({ health }: ActiveTarget): boolean {
  return health === 'up';
}

function hasNone(app: string, old: ReadonlySet<string>): (targets: readonly ActiveTarget[]) => boolean {
  return (targets) => !of(app, targets).some(({ instance }) => old.has(instance));
}
