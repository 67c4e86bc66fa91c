import Registry from 'prom-client/lib/registry.js';
import { pemOf } from '../agent/shared/authorities.ts';
import type { Log } from '../agent/shared/log.ts';
import { createTsuruClient } from '../agent/shared/tsuru.ts';
import type { Clock } from '../agent/shared/clock.ts';
import type { Config } from './config.ts';
import type { Context } from './context.ts';
import { BrokerError } from './errors.ts';
import { createGrants } from './tsuru/grants.ts';
import { createServer } from './http/server.ts';
import { createDeploys } from './tsuru/deploys.ts';
import { createEvents } from './instances/events.ts';
import { createPokes } from './instances/poke.ts';
import { createAssertRules } from './instances/rules.ts';
import { createMetrics } from './metrics.ts';
import { runReconciler } from './reconciler/reconciler.ts';
import { createTurns } from './tsuru/turns.ts';

/** Each of the operations at work asks for a few things at once, and all have seconds. */
const QUICK_CONNECTIONS = 50;

/**
 * How long running requests may continue when the broker stops; then they are answered that it stops. Creations have 10 s more to be undone, as
 * Tsuru ends a unit 30 s after SIGTERM.
 */
const PATIENCE_MS = 15_000;

export interface Broker {
  readonly url: string;
  /** Ends requests in order; deploys go on in Tsuru. Safe to call twice. */
  stop(): Promise<void>;
}

export interface BrokerOptions {
  /** False if it is asked without Tsuru, whose list of binds is then wrong (true). */
  readonly reconciles?: boolean;
}

/** What operations work with, and its end: what is under way in the background has a moment. */
export interface Connection {
  readonly context: Context;
  readonly close: () => Promise<void>;
}

export function createContext(
  config: Config,
  { log, clock, metrics, ending }: Pick<Context, 'log' | 'clock' | 'metrics' | 'ending'>,
): Connection {
  const tsuru = createTsuruClient({
    ...{ url: config.tsuruUrl, token: config.tsuruToken },
    ...{ onCall: metrics.called, connections: QUICK_CONNECTIONS },
  });
  const turns = createTurns();
  const { image, service, pool, plans, instanceUrl } = config;
  const pokes = createPokes({ tsuru, service, instanceUrl, clock, log, metrics });
  const events = createEvents({ tsuru, service, poke: pokes.poke, clock, log });
  const context: Context = {
    ...{ tsuru, clock, log, metrics, turns, image, service, pool, plans, instanceUrl, ending },
    authorities: pemOf(config.authorities),
    grants: createGrants({ turns, clock, metrics }),
    deploys: createDeploys({ tsuru, image, clock, log, metrics }),
    assertRules: createAssertRules(config.programsPath, log),
    poke: pokes.poke,
    takeEvent: events.take,
  };
  async function close(): Promise<void> {
    await Promise.all([context.deploys.stop(), events.stop(), pokes.stop()]);
    await tsuru.close();
  }
  return { context, close };
}

/** Starts a broker; what an earlier one has left undone is looked after in the background. */
export async function startBroker(
  config: Config,
  log: Log,
  clock: Clock,
  { reconciles = true }: BrokerOptions = {},
): Promise<Broker> {
  const registry = new Registry();
  const ending = new AbortController();
  const { context, close } = createContext(config, {
    log,
    clock,
    metrics: createMetrics(registry),
    ending: ending.signal,
  });
  const { service, plans, auth, eventsToken } = config;
  const server = await createServer({ context, auth, eventsToken, registry });
  const url = await server.listen(config.listen);
  log.info({ url, service, plans: plans.map(({ name }) => name) }, `the broker of the service ${service} listens`);
  const stopping = new AbortController();
  const reconciled = reconciles ? runReconciler(context, stopping.signal) : Promise.resolve();

  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    stopping.abort(new Error('the broker stops'));
    const closed = new AbortController();
    const patience = clock.sleep(PATIENCE_MS, closed.signal).then(() => {
      if (!closed.signal.aborted)
        ending.abort(new BrokerError(503, 'The service is being restarted: try again in a minute.'));
    });
    await server.close();
    closed.abort();
    await patience;
    await reconciled;
    await close();
  }
  return { url, stop: () => (stopped ??= stop()) };
}
