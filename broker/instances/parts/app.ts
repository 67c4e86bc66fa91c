import type { App } from '../../tsuru/app.ts';
import { mayBeThere } from '../../tsuru/failures.ts';
import {
  annotationsOf,
  belongsToSomebodyElse,
  birthAnnotations,
  changedAnnotations,
  isOwn,
  MAKER_ANNOTATION,
  planNameOf,
  type Operation,
} from './instance.ts';
import type { Desired } from '../../plans/parameters.ts';

/** A part of an instance that is there now: made by this call, or left over from an earlier one. */
export type Made = 'made' | 'adopted';

/** What is desired of an app by one creation. */
export interface DesiredApp {
  readonly team: string;
  readonly desired: Desired;
  /** '': the one that Tsuru takes. */
  readonly pool: string;
  /** The creation, unlike any other. */
  readonly maker: string;
}

/** Makes the app, or finds a leftover of the same instance and team, which is then to be claimed and brought to what is desired. */
export async function ensureApp(
  operation: Operation,
  desiredApp: DesiredApp,
): Promise<['made', undefined] | ['adopted', App]> {
  const { api, names, locked } = operation;
  const { team, pool, maker } = desiredApp;
  try {
    await createApp(operation, desiredApp);
    return ['made', undefined];
  } catch (error) {
    const app = await api.app(names.part).catch(() => undefined);
    if (app === undefined) throw error;
    // Tsuru also fails after it has made an app: for want of an answer of the router, say.
    if (isOwn(operation, app) && app.annotations.get(MAKER_ANNOTATION) === maker) return ['made', undefined];
    if (!mayBeThere(error)) throw error;
    if (!isOwn(operation, app) || app.team !== team) throw belongsToSomebodyElse(`an app ${names.part}`);
    if (pool === '' || app.pool === pool) return ['adopted', app];
    // Nobody uses it yet, and to move it takes a restart of what may not run.
    await locked(() => api.removeApp(names.part));
    await createApp(operation, desiredApp);
    return ['made', undefined];
  }
}

async function createApp(operation: Operation, { team, desired, pool, maker }: DesiredApp): Promise<void> {
  const { api, id, names, locked } = operation;
  const born = birthAnnotations(operation, desired, await api.lastDeploy(names.part));
  const present = Object.entries(annotationsOf(desired)).filter(([, value]) => value !== '');
  const app = {
    ...{ name: names.part, tags: names.tags, team, pool },
    ...{ plan: desired.plan.tsuruPlan, description: `Prometheus of ${id.instance}` },
    annotations: { ...Object.fromEntries(present), ...born, [MAKER_ANNOTATION]: maker },
  };
  await locked(() => api.createApp(app));
}

/** Before anything else is done with a leftover: a creation that fails elsewhere would take all of it back. */
export async function claimApp({ api, names, locked }: Operation, maker: string): Promise<void> {
  await locked(() => api.changeApp(names.part, { annotations: { [MAKER_ANNOTATION]: maker } }, 'no restart'));
}

/** Brings a leftover to what is desired. Its volume comes before: a unit that is restarted takes the one that is there. */
export async function adoptApp({ api, locked }: Operation, app: App, desired: Desired): Promise<void> {
  const annotations = changedAnnotations(app, desired);
  const hasNewTsuruPlan = app.plan !== desired.plan.tsuruPlan;
  const change = {
    ...(hasNewTsuruPlan ? { plan: desired.plan.tsuruPlan } : {}),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  if (Object.keys(change).length === 0) return;
  const hasUnits = app.units.length > 0;
  // Two plans of the service may be one of Tsuru's, with different volumes.
  if (hasUnits && !hasNewTsuruPlan && planNameOf(app) !== desired.plan.name) {
    await locked(() => api.restartApp(app.name));
  }
  await locked(() => api.changeApp(app.name, change, hasUnits && hasNewTsuruPlan ? 'restart' : 'no restart'));
}
