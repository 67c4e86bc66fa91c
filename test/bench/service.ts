import { setTimeout as wait } from 'node:timers/promises';
import { viewPrometheus } from '../support/prometheus.ts';
import { startService, withInstances, type Service } from '../support/service.ts';
import { metricsUnit } from '../support/world.ts';
import { createApp, createClient } from '../tsuru/client.ts';
import { startTsuru, type LocalTsuru } from '../tsuru/server.ts';
import { monotonicMs } from './moments.ts';
import { summarize, type Summary } from './statistics.ts';
import { httpUnit } from '../support/unit.ts';

/** What operations on instances cost, through Tsuru, the broker and back. */
export interface ServiceTimes {
  /** From `tsuru service-instance-bind` to the app's unit scraped. */
  readonly bindToScrapedMs: Summary;
  readonly instances: number;
  /** `tsuru service-instance-info` and `-status`, with this many instances. */
  readonly infoMs: Summary;
  readonly statusMs: Summary;
  /** How many requests the broker makes to Tsuru for an operation. */
  readonly requests: ReadonlyMap<string, number>;
}

export interface ServicePlan {
  readonly binds: number;
  readonly instances: number;
  readonly asks: number;
}

/** Instances are made a few at a time: each is some ten requests to Tsuru. */
const MADE_AT_ONCE = 4;
const PATIENCE_MS = 120_000;
const QUIET_MS = 300;
const TEAM = 'shop';

/** Measures the service with its broker as a program of its own, on a local Tsuru without delays. */
export async function measureService(
  owner: AsyncDisposableStack,
  { binds, instances, asks }: ServicePlan,
): Promise<ServiceTimes> {
  const bindToScrapedMs = await measureBinds(owner, binds);
  return { bindToScrapedMs, instances, ...(await measureMany(owner, instances, asks)) };
}

/** Real agents with real Prometheus, at their own pace. */
async function measureBinds(owner: AsyncDisposableStack, binds: number): Promise<Summary> {
  await using stack = owner.use(new AsyncDisposableStack());
  const tsuru = await startTsuru({ images: withInstances(() => ({ processes: { web: metricsUnit } })) });
  stack.defer(() => tsuru.close());
  const admin = createClient(tsuru.url, tsuru.adminToken);
  const service = await startService(stack, tsuru);
  await service.add('my-instance', TEAM);
  await service.untilUp('my-instance');
  const info = await service.info('my-instance');
  const [user = '', password = ''] = (info['User and Password'] ?? '').split(' / ');
  const prometheus = viewPrometheus(info['Address'] ?? '', { user, password });
  const times: number[] = [];
  for (let index = 0; index < binds; index++) {
    const app = `app-${index}`;
    await createApp(admin, app, 'shop/app:1');
    const startedMs = monotonicMs();
    await service.bind('my-instance', app);
    await prometheus.untilTargets(
      `${app} scraped`,
      (targets) => targets.some(({ job, health }) => job === app && health === 'up'),
      PATIENCE_MS,
    );
    times.push(monotonicMs() - startedMs);
  }
  return summarize(times);
}

/** Many instances whose agents are stand-ins, so that what is measured is Tsuru and the broker. */
async function measureMany(
  owner: AsyncDisposableStack,
  instances: number,
  asks: number,
): Promise<Pick<ServiceTimes, 'infoMs' | 'statusMs' | 'requests'>> {
  await using stack = owner.use(new AsyncDisposableStack());
  const tsuru = await startTsuru({ images: () => ({ processes: { web: silentAgent } }) });
  stack.defer(() => tsuru.close());
  await createApp(createClient(tsuru.url, tsuru.adminToken), 'my-app', 'shop/app:1');
  const service = await startService(stack, tsuru);
  const names = Array.from({ length: instances }, (_, index) => `instance-${index}`);
  for (let index = 0; index < names.length; index += MADE_AT_ONCE) {
    const some = names.slice(index, index + MADE_AT_ONCE);
    await Promise.all(some.map((name) => service.add(name, TEAM)));
    await Promise.all(some.map((name) => service.untilUp(name)));
  }
  const time = async (ask: (name: string) => Promise<unknown>): Promise<Summary> => {
    const times: number[] = [];
    for (let index = 0; index < asks; index++) {
      const startedMs = monotonicMs();
      await ask(names[(index * 7) % names.length] ?? '');
      times.push(monotonicMs() - startedMs);
    }
    return summarize(times);
  };
  return {
    infoMs: await time((name) => service.info(name)),
    statusMs: await time((name) => service.status(name)),
    requests: await countRequests(tsuru, service),
  };
}

/** The poke of an agent comes after the answer. */
async function settled({ requests }: LocalTsuru): Promise<void> {
  for (let before = -1; before !== requests.all().length;) {
    before = requests.all().length;
    await wait(QUIET_MS);
  }
}

async function countRequests(tsuru: LocalTsuru, service: Service): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const count = async (operation: string, work: () => Promise<unknown>): Promise<void> => {
    tsuru.requests.clear();
    await work();
    await settled(tsuru);
    // One of them was the user's own.
    counts.set(operation, tsuru.requests.all().length - 1);
  };
  const name = 'counted';
  await count('add', () => service.add(name, TEAM));
  await service.untilUp(name);
  await count('bind', () => service.bind(name, 'my-app'));
  await count('info', () => service.info(name));
  await count('status', () => service.status(name));
  await count('update', () => service.update(name, TEAM, { retention: '10d' }));
  await count('update of the plan', () => service.update(name, TEAM, { retention: '10d' }, 'medium'));
  await count('unbind', () => service.unbind(name, 'my-app'));
  await count('remove', () => service.remove(name));
  return counts;
}

const WELL = JSON.stringify({
  ready: true,
  problems: [],
  sync: { inSync: true },
  prometheus: { ready: true },
  apps: [],
});

const silentAgent = httpUnit(() => (_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(WELL);
});
