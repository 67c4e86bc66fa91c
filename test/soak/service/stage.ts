import pMap from 'p-map';
import { namesOf } from '../../../broker/names.ts';
import { freeAddress } from '../../support/address.ts';
import { expect } from '../../support/instance.ts';
import { createBrokerToken } from '../../support/service.ts';
import { createApp, createClient, type Client, type Reply } from '../../tsuru/client.ts';
import { startTsuru, type LocalTsuru } from '../../tsuru/server.ts';
import { startBalancer } from './balancer.ts';
import { BROKER_PORT, createBroker, type SoakBroker } from './brokers.ts';
import { INSTANCE_IMAGE, serviceImages } from './images.ts';

export const SERVICE = 'prometheus';
const AUTH = { username: 'tsuru', password: 'the-service-manifest-knows-it' } as const;
const AT_ONCE = 6;
const USER_APPS = 24;
/** So that names are cut, mapped and hashed as well. */
const LONG_NAME = 'a-name-that-is-too-long-for-an-app-of-tsuru';

export interface StageOptions {
  readonly instances: number;
  /** How many of them run real agents. */
  readonly real: number;
  /** How fast minutes pass in the brokers. */
  readonly speed: number;
}

/** What users and meddlers have done with an instance. */
export interface Known {
  /** The values of `retention` that may be in force; '': the plan's. */
  readonly retentions: Set<string>;
  /** The last update was refused, or how it went is not known: the user will send another one. */
  isInDoubt: boolean;
  /** Something that was done may start another unit. */
  mayRestart: boolean;
}

/** A service with many instances, two brokers and the apps of users on a local Tsuru. */
export interface ServiceStage extends AsyncDisposable {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  readonly brokers: readonly SoakBroker[];
  readonly speed: number;
  /** By name; also those that are gone. */
  readonly known: Map<string, Known>;
  /** Creations that were broken off. */
  halves: number;
  /** The first instances; those with real agents come first. */
  readonly first: readonly string[];
  readonly real: readonly string[];
  readonly userApps: readonly string[];
  /** Asks a broker as Tsuru does. */
  ask(method: string, path: string, form: Readonly<Record<string, string>>): Promise<Reply>;
}

export async function startServiceStage(
  { instances, real, speed }: StageOptions,
  say: (line: string) => void,
): Promise<ServiceStage> {
  await using stack = new AsyncDisposableStack();
  const first = Array.from({ length: instances }, (_, index) => nameOf(index));
  const realNames = first.slice(0, real);
  const tsuru = await startTsuru({
    images: serviceImages(new Set(realNames.map(partOf))),
    delays: { endingMs: 300, restartMs: 500 },
    brokerTimes: { dialMs: 5_000, wholeMs: 60_000 },
  });
  stack.defer(() => tsuru.close());
  const admin = createClient(tsuru.url, tsuru.adminToken);
  const env = {
    ...{ TSURU_HOST: tsuru.url, TSURU_TOKEN: await createBrokerToken(admin), BROKER_IMAGE: INSTANCE_IMAGE },
    ...{ BROKER_USERNAME: AUTH.username, BROKER_PASSWORD: AUTH.password, BROKER_SERVICE: SERVICE },
    ...{ BROKER_INSTANCE_URL: 'http://{unit}', BROKER_SPEED: String(speed) },
  };
  const brokers = [freeAddress(), freeAddress()].map((host) => createBroker(host, env));
  for (const broker of brokers) {
    stack.defer(() => broker.kill('SIGKILL'));
    await broker.start();
  }
  const hosts = brokers.map(({ host }) => host);
  const balancer = stack.use(await startBalancer(hosts, BROKER_PORT));
  tsuru.addService({ name: SERVICE, endpoint: balancer.url, ...AUTH });
  const userApps = Array.from({ length: USER_APPS }, (_, index) => `shop-${index + 1}`);
  await pMap(userApps, (name) => createApp(admin, name, 'shop/app:1'), { concurrency: AT_ONCE });
  const known = new Map<string, Known>();
  const begunMs = performance.now();
  await pMap(
    first,
    async (name, index) => {
      const form = { name, owner: index % 3 === 0 ? 'ops' : 'shop' };
      await expect(admin.call('POST', `/1.0/services/${SERVICE}/instances`, { form }), 201);
      known.set(name, newlyKnown());
      const app = userApps[index % userApps.length];
      if (app !== undefined && (index < real || index % 4 === 0)) await bindUntilDone(admin, name, app);
    },
    { concurrency: AT_ONCE },
  );
  say(
    `${instances} instances added in ${Math.round((performance.now() - begunMs) / 1000)} s, ${real} with real agents`,
  );
  const all = stack.move();
  const authorization = `Basic ${Buffer.from(`${AUTH.username}:${AUTH.password}`).toString('base64')}`;
  return {
    ...{ tsuru, admin, brokers, speed, known, first, real: realNames, userApps, halves: 0 },
    async ask(method, path, form) {
      const body = new URLSearchParams(form);
      const response = await fetch(`${balancer.url}${path}`, { method, headers: { authorization }, body });
      const contentType = response.headers.get('content-type') ?? '';
      return { status: response.status, contentType, body: await response.text(), headers: response.headers };
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

export function newlyKnown(): Known {
  return { retentions: new Set(['']), isInDoubt: false, mayRestart: false };
}

export function partOf(instance: string): string {
  return namesOf({ service: SERVICE, instance }).part;
}

function nameOf(index: number): string {
  if (index % 25 === 24) return `${LONG_NAME}-${index}`;
  return index % 10 === 9 ? `Team_A-${index}` : `i-${index}`;
}

/** While the first are added, others are bound: Tsuru has a lock for all of them. */
async function bindUntilDone(admin: Client, name: string, app: string): Promise<void> {
  for (;;) {
    const { status, body } = await admin.call('PUT', `/1.13/services/${SERVICE}/instances/${name}/apps/${app}`, {
      form: {},
    });
    if (status === 200 && !body.includes('"Error":"')) return;
    if (!body.includes('event locked')) throw new Error(`${app} could not be bound to ${name}: ${status} ${body}`);
  }
}
