// A Tsuru for one machine: its API as recorded from a real one, its units real processes on loopback addresses.
import { randomBytes } from 'node:crypto';
import { createAddresses } from './addresses.ts';
import { createAnswering } from './answering.ts';
import { createBrokerCalls } from './broker-calls.ts';
import { createBrokerClient, type BrokerTimes } from './broker-client.ts';
import { appContexts } from './callers.ts';
import type { Delays } from './delays.ts';
import { blockedBy } from './event-blocks.ts';
import { eventJson } from './event-json.ts';
import { createEvents, type Target } from './events.ts';
import { createFaults, type Faults } from './faults.ts';
import type { Route } from './http.ts';
import type { Images } from './images.ts';
import { listen, type Listener } from './listener.ts';
import { createLogs } from './log.ts';
import type { Context } from './permissions.ts';
import { createProvisioner } from './provisioner.ts';
import { createRequestLog, type Requests } from './requests.ts';
import { accessRoutes } from './routes/access.ts';
import { appUpdateRoutes } from './routes/app-update.ts';
import { appRoutes } from './routes/apps.ts';
import { bindRoutes } from './routes/binds.ts';
import { catalogRoutes } from './routes/catalog.ts';
import { deployRoutes } from './routes/deploys.ts';
import { envRoutes } from './routes/env.ts';
import { eventBlockRoutes } from './routes/event-blocks.ts';
import { eventRoutes } from './routes/events.ts';
import { instanceRoutes } from './routes/instances.ts';
import { jobRoutes } from './routes/jobs.ts';
import { localRoutes } from './routes/local.ts';
import { logRoutes } from './routes/log.ts';
import { proxyRoutes } from './routes/proxy.ts';
import { roleRoutes } from './routes/roles.ts';
import { serviceRoutes } from './routes/services.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { unitRoutes } from './routes/units.ts';
import { volumeRoutes } from './routes/volumes.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { instanceContexts, newService, type ServiceOptions } from './services.ts';
import { seedState, type Seed, type State } from './state.ts';
import { createStorage } from './storage.ts';
import { createUnitControls, type UnitControls } from './unit-controls.ts';
import { createWebhooks } from './webhooks.ts';
import type { Locks, World } from './world.ts';

export interface TsuruOptions extends Seed {
  readonly images: Images;
  /** 0, the default: any free port. */
  readonly port?: number;
  readonly delays?: Partial<Delays>;
  readonly locks?: Partial<Locks>;
  /** Of requests to brokers. */
  readonly brokerTimes?: Partial<BrokerTimes>;
  /** Tsuru's setting of this name: 'X-Request-Id'. Without it requests have no names, as in the recording. */
  readonly requestIdHeader?: string;
}

export interface LocalTsuru extends Listener, UnitControls {
  /** Of an administrator who may do everything. */
  readonly adminToken: string;
  /** May be changed at any time. */
  readonly delays: Delays;
  readonly faults: Faults;
  readonly requests: Requests;
  /** As `tsuru service create` does; one that is there already is replaced. */
  addService(service: ServiceOptions): void;
  /** Ends every unit and the server, and waits for them; safe to call twice. */
  close(): Promise<void>;
}

/** Where Kubernetes takes minutes for what a test waits for, less; else its own. */
const DELAYS: Delays = {
  createdMs: 0,
  startingMs: 0,
  restartMs: 10_000,
  endingMs: 10_000,
  evictedMs: 600_000,
  portsMs: 0,
  deployTimeoutMs: 30_000,
};
/** Tsuru's own wait for an app's lock; a role's lock is held as long as a database write takes. */
const LOCKS: Locks = { appWaitMs: 10_000, holdMs: 5 };
/** Tsuru's. */
const BROKER_TIMES: BrokerTimes = { dialMs: 15_000, wholeMs: 300_000 };

export async function startTsuru(options: TsuruOptions): Promise<LocalTsuru> {
  const adminToken = randomBytes(20).toString('hex');
  const state = seedState(adminToken, options);
  const delays = { ...DELAYS, ...options.delays };
  const closing = new AbortController();
  const addresses = createAddresses();
  const logs = createLogs();
  const faults = createFaults();
  const requests = createRequestLog();
  const env = () => ({ PATH: process.env['PATH'] ?? '', TSURU_HOST: listener.url });
  const url = () => listener.url;
  const storage = createStorage();
  const provisioner = createProvisioner({ state, addresses, delays, logs, env, storage, closing: closing.signal });
  const webhooks = createWebhooks({
    hooks: () => state.webhooks.values(),
    encode: (event) => JSON.stringify(eventJson(event, url())),
    closing: closing.signal,
  });
  const events = createEvents({
    refusal: (change) => blockedBy(state.blocks, change),
    contextsOf: (target) => contextsOf(state, target),
    onEnd: webhooks.notify,
    closing: closing.signal,
  });
  const requestIdHeader = options.requestIdHeader ?? '';
  const times = { ...BROKER_TIMES, ...options.brokerTimes };
  const broker = createBrokerClient({ times, requestIdHeader, faults, closing: closing.signal });
  const locks = { ...LOCKS, ...options.locks };
  const world: World = {
    ...{ state, events, logs, images: options.images, provisioner, locks, url },
    ...{ broker, calls: createBrokerCalls(broker, state) },
  };
  const routes = [...tsuruRoutes(world), ...localRoutes(state, provisioner, faults, outage)];
  const answering = createAnswering({ routes, state, faults, requests, requestIdHeader });
  const answers = new Set<Promise<void>>();
  const listener = await listen(options.port ?? 0, (request, response) => {
    const answered = answering(request, response).finally(() => answers.delete(answered));
    answers.add(answered);
  });

  function outage(seconds: number): void {
    const over = setTimeout(() => void listener.listenAgain(), seconds * 1000);
    closing.signal.addEventListener('abort', () => {
      clearTimeout(over);
    });
    void listener.stopListening();
  }

  async function close(): Promise<void> {
    closing.abort();
    await listener.stopListening();
    await provisioner.close();
    await Promise.allSettled(answers);
    // What a change that was still under way has left.
    await provisioner.close();
    await addresses.close();
    await webhooks.close();
    await storage.close();
  }

  let closed: Promise<void> | undefined;
  return {
    ...listener,
    ...createUnitControls(state, provisioner),
    adminToken,
    delays,
    faults,
    requests,
    addService: (service) => {
      state.services.set(service.name, newService(service));
    },
    close: () => (closed ??= close()),
  };
}

/** Where permissions on the events of a target hold. */
function contextsOf(state: State, target: Target): Context[] {
  const { type, value } = target;
  const app = type === 'app' ? state.apps.get(value) : undefined;
  if (app !== undefined) return appContexts(app);
  const instance = type === 'service-instance' ? state.instances.get(value) : undefined;
  return instance === undefined ? [target] : instanceContexts(instance);
}

function tsuruRoutes(world: World): Route[] {
  return [
    ...appRoutes(world),
    ...appUpdateRoutes(world),
    ...envRoutes(world),
    ...unitRoutes(world),
    ...deployRoutes(world),
    ...logRoutes(world),
    ...eventBlockRoutes(world),
    ...webhookRoutes(world),
    ...eventRoutes(world),
    // Before services, for their paths begin alike.
    ...instanceRoutes(world),
    ...proxyRoutes(world),
    ...serviceRoutes(world),
    ...accessRoutes(world),
    ...bindRoutes(world),
    ...jobRoutes(world),
    ...volumeRoutes(world),
    ...roleRoutes(world),
    ...tokenRoutes(world),
    ...catalogRoutes(world),
  ];
}
