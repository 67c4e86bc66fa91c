// A Tsuru for one machine: its API as recorded from a real one, its units real processes on loopback addresses.
// Left out so far: services and their instances, volumes, webhooks, event blocks. Each would be one more file in routes/.
import { randomBytes } from 'node:crypto';
import { createAddresses } from './addresses.ts';
import { createAnswering } from './answering.ts';
import type { Delays } from './delays.ts';
import { createEvents } from './events.ts';
import { createFaults, type Faults } from './faults.ts';
import type { Route } from './http.ts';
import type { Images } from './images.ts';
import { listen, type Listener } from './listener.ts';
import { createLogs } from './log.ts';
import { createProvisioner } from './provisioner.ts';
import { createRequestLog, type Requests } from './requests.ts';
import { appUpdateRoutes } from './routes/app-update.ts';
import { appRoutes } from './routes/apps.ts';
import { catalogRoutes } from './routes/catalog.ts';
import { deployRoutes } from './routes/deploys.ts';
import { envRoutes } from './routes/env.ts';
import { eventRoutes } from './routes/events.ts';
import { localRoutes } from './routes/local.ts';
import { logRoutes } from './routes/log.ts';
import { roleRoutes } from './routes/roles.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { unitRoutes } from './routes/units.ts';
import { seedState } from './state.ts';
import { createUnitControls, type UnitControls } from './unit-controls.ts';
import type { Locks, World } from './world.ts';

export interface TsuruOptions {
  readonly images: Images;
  /** 0, the default: any free port. */
  readonly port?: number;
  readonly delays?: Partial<Delays>;
  readonly locks?: Partial<Locks>;
}

export interface LocalTsuru extends Listener, UnitControls {
  /** Of an administrator who may do everything. */
  readonly adminToken: string;
  /** May be changed at any time. */
  readonly delays: Delays;
  readonly faults: Faults;
  readonly requests: Requests;
  /** Ends every unit and the server, and waits for them; safe to call twice. */
  close(): Promise<void>;
}

const DELAYS: Delays = { createdMs: 0, startingMs: 0, restartMs: 200, portsMs: 0, deployTimeoutMs: 30_000 };
/** Tsuru's own wait for an app's lock; a role's lock is held as long as a database write takes. */
const LOCKS: Locks = { appWaitMs: 10_000, holdMs: 5 };

export async function startTsuru(options: TsuruOptions): Promise<LocalTsuru> {
  const adminToken = randomBytes(20).toString('hex');
  const state = seedState(adminToken);
  const delays = { ...DELAYS, ...options.delays };
  const closing = new AbortController();
  const addresses = createAddresses();
  const logs = createLogs();
  const faults = createFaults();
  const requests = createRequestLog();
  const env = () => ({ PATH: process.env['PATH'] ?? '', TSURU_HOST: listener.url });
  const provisioner = createProvisioner({ state, addresses, delays, logs, env, closing: closing.signal });
  const events = createEvents(closing.signal);
  const locks = { ...LOCKS, ...options.locks };
  const world: World = { state, events, logs, images: options.images, provisioner, locks };
  const routes = [...tsuruRoutes(world), ...localRoutes(state, faults, outage)];
  const answering = createAnswering({ routes, state, faults, requests });
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
  }

  let closed: Promise<void> | undefined;
  return {
    ...listener,
    ...createUnitControls(state, provisioner),
    adminToken,
    delays,
    faults,
    requests,
    close: () => (closed ??= close()),
  };
}

function tsuruRoutes(world: World): Route[] {
  return [
    ...appRoutes(world),
    ...appUpdateRoutes(world),
    ...envRoutes(world),
    ...unitRoutes(world),
    ...deployRoutes(world),
    ...logRoutes(world),
    ...eventRoutes(world),
    ...roleRoutes(world),
    ...tokenRoutes(world),
    ...catalogRoutes(world),
  ];
}
