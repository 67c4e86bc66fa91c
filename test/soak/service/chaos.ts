import { setTimeout as wait } from 'node:timers/promises';
import type { Fault } from '../../tsuru/faults.ts';
import type { Random } from '../random.ts';
import { SERVICE, type ServiceStage } from './stage.ts';

export interface Chaos {
  readonly kind: string;
  readonly weight: number;
  /** Goes wrong for a while, and is well again when it resolves. */
  readonly happen: (stage: ServiceStage, random: Random, signal: AbortSignal) => Promise<string>;
}

const PATHS = ['*', '/apps', '/apps/*', '/tokens*', '/roles/*', '/volumes*', '/services/instances', '/events'];
const LISTS = ['/apps', '/tokens', '/volumes', '/services/instances'];
const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];
/** What is no list of instances, or one that says nothing. */
const GARBAGE = [
  '[]',
  '{}',
  'null',
  '<html>maintenance</html>',
  `[{"service":"another","service_instances":[]}]`,
  `[{"service":"${SERVICE}","instances":[],"service_instances":null}]`,
];
const SHORTEST_MS = 200;
const LONGEST_MS = 4_000;
const LONGEST_LATENCY_MS = 1_500;

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await wait(durationMs, undefined, { signal }).catch(() => undefined);
}

function failing(kind: string, weight: number, draw: (random: Random) => Fault): Chaos {
  return {
    kind,
    weight,
    async happen({ tsuru }, random, signal) {
      const fault = draw(random);
      const end = tsuru.faults.add(fault);
      await pause(random.int(SHORTEST_MS, LONGEST_MS), signal);
      end();
      return JSON.stringify(fault);
    },
  };
}

/** How Tsuru's answers, and its requests to brokers, can fail. */
export const CALLS: readonly Chaos[] = [
  failing('status', 4, (random) => ({
    ...{ kind: 'status', status: random.pick([500, 502, 503, 401]) },
    ...{ path: random.pick(PATHS), method: random.pick(METHODS) },
  })),
  failing('latency', 2, (random) => ({
    kind: 'latency',
    ms: random.int(50, LONGEST_LATENCY_MS),
    path: random.pick(PATHS),
  })),
  failing('cut', 3, (random) => ({ kind: 'cut', path: random.pick(PATHS), method: random.pick(METHODS) })),
  failing('drop', 3, (random) => ({ kind: 'drop', path: random.pick(PATHS), method: random.pick(METHODS) })),
  failing('empty list', 3, (random) => ({ kind: 'status', status: 204, method: 'GET', path: random.pick(LISTS) })),
  failing('no list of instances', 3, (random) => ({
    ...{ kind: 'body', body: random.pick(GARBAGE), method: 'GET', path: '/services/instances' },
  })),
  failing('units unknown', 1, () => ({ kind: 'units-unknown' })),
  failing('broker fails', 2, (random) => ({
    ...{ to: 'broker', kind: 'status', status: 500, body: 'no', path: '/resources*' },
    method: random.pick(METHODS),
  })),
  failing('broker unheard', 2, (random) => ({
    ...{ to: 'broker', path: '/resources*', method: random.pick(METHODS) },
    kind: random.pick(['cut', 'drop', 'repeat'] as const),
  })),
];

/** How brokers end. */
export const ENDS: readonly Chaos[] = [
  {
    kind: 'kill -9',
    weight: 4,
    async happen({ brokers }, random, signal) {
      const broker = random.pick(brokers);
      await broker.kill('SIGKILL');
      await pause(random.int(SHORTEST_MS, LONGEST_MS), signal);
      await broker.start();
      return `broker ${brokers.indexOf(broker) + 1} killed and started again`;
    },
  },
  {
    kind: 'stop',
    weight: 1,
    async happen({ brokers }, random, signal) {
      const broker = random.pick(brokers);
      await broker.kill('SIGTERM');
      await pause(random.int(SHORTEST_MS, LONGEST_MS), signal);
      await broker.start();
      return `broker ${brokers.indexOf(broker) + 1} stopped and started again`;
    },
  },
  {
    kind: 'kill -9 of both',
    weight: 1,
    async happen({ brokers }, random, signal) {
      await Promise.all(brokers.map((broker) => broker.kill('SIGKILL')));
      await pause(random.int(SHORTEST_MS, LONGEST_MS), signal);
      await Promise.all(brokers.map((broker) => broker.start()));
      return 'both brokers killed and started again';
    },
  },
];
