import type { BrokerCalls, Caused } from './broker-calls.ts';
import type { BrokerClient } from './broker-client.ts';
import { demand, appContexts } from './callers.ts';
import { notFound } from './errors.ts';
import type { Events, Target, TsuruEvent } from './events.ts';
import { JSON_STREAM, messageJson, type Call, type Output, type StreamAnswer } from './http.ts';
import type { Images } from './images.ts';
import type { Logs } from './log.ts';
import type { Provisioner } from './provisioner.ts';
import type { App, State } from './state.ts';

/** What a change of an app locks besides it. */
type ExtraTargets = readonly Target[];

/** All that a route works with. */
export interface World {
  readonly state: State;
  readonly events: Events;
  readonly logs: Logs;
  readonly images: Images;
  readonly provisioner: Provisioner;
  readonly locks: Locks;
  readonly broker: BrokerClient;
  readonly calls: BrokerCalls;
  /** Of this Tsuru. */
  readonly url: () => string;
}

/** How long locks are waited for, or held, in ms. */
export interface Locks {
  /** A change of an app waits so long for another one of it. */
  readonly appWaitMs: number;
  /** A change of a role or of a team's tokens holds the lock so long; nobody waits for it. */
  readonly holdMs: number;
}

/** Tells the caller, the event and the app's log what is done. */
export type Say = (message: string) => void;

export function findApp({ state }: World, call: Call): App {
  const name = call.params['app'] ?? '';
  const app = state.apps.get(name);
  if (app === undefined) throw notFound(`App ${name} not found.`);
  return app;
}

/** Changes an app under its lock, and answers with a stream of JSON lines, as most changes do. */
export function changeApp(
  world: World,
  call: Call,
  kind: string,
  app: App,
  work: (say: Say, event: TsuruEvent) => Promise<void>,
  extraTargets: ExtraTargets = [],
): StreamAnswer {
  return {
    contentType: JSON_STREAM,
    run: (output) =>
      lockApp(world, call, { kind, app, extraTargets }, output, (event) =>
        work(
          teller(world, app, event, (message) => messageJson(message), output),
          event,
        ),
      ),
  };
}

/** Runs a change under the lock of its app; the event's id is in the header of the answer. */
export function lockApp(
  { events, locks }: World,
  { caller }: Call,
  { kind, app, extraTargets = [] }: { readonly kind: string; readonly app: App; readonly extraTargets?: ExtraTargets },
  output: Output,
  work: (event: TsuruEvent) => Promise<void>,
): Promise<void> {
  const change = { kind, target: appTarget(app.name), extraTargets, owner: caller.owner, waitMs: locks.appWaitMs };
  return events.run(change, (event) => {
    output.header('X-Tsuru-Eventid', event.id);
    return work(event);
  });
}

export function teller(
  { logs }: World,
  { name }: App,
  event: TsuruEvent,
  encode: (message: string) => string,
  output: Output,
): Say {
  return (message) => {
    event.log.push({ date: new Date(), message });
    output.write(encode(message));
    for (const line of message.split('\n').filter((part) => part !== '')) {
      logs(name).add({ message: line, source: 'tsuru', unit: 'api' });
    }
  };
}

export function appTarget(name: string): Target {
  return { type: 'app', value: name };
}

/** On whose behalf a broker is called. */
export function causedBy({ caller, requestId }: Call, event: TsuruEvent): Caused {
  return { requestId, requester: { user: caller.owner.name, eventId: event.id } };
}

export function assertOnApp({ caller }: Call, permission: string, app: App): void {
  demand(caller, permission, appContexts(app));
}

export function routerUpdated(say: Say): void {
  say('\n');
  say('---- Updating router [fake] ----\n');
}

/** The restart that follows a change of variables. */
export async function restartQuietly(world: World, app: App, say: Say): Promise<void> {
  if (app.units.size === 0) return;
  say(`restarting ${app.name}\n`);
  await world.provisioner.restart(app);
}

export async function restart(world: World, app: App, say: Say, process?: string): Promise<void> {
  say(`---- Restarting the ${process === undefined ? `app "${app.name}"` : `process "${process}"`} ----\n`);
  say(`restarting ${app.name}\n`);
  await world.provisioner.restart(app, process);
  routerUpdated(say);
}
