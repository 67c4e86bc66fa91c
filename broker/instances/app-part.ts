import { TsuruError } from '../../agent/shared/tsuru.ts';
import type { App } from '../tsuru/app.ts';
import { retryLocked } from '../tsuru/locked.ts';
import {
  annotationsOf,
  belongsToSomebodyElse,
  changedAnnotations,
  earlierDeployAnnotation,
  isOwn,
  MAKER_ANNOTATION,
  planNameOf,
  type Operation,
} from './instance.ts';
import type { Wish } from './parameters.ts';

/** A part of an instance that is there now: made by this call, or left over from an earlier one. */
export type Made = 'made' | 'adopted';

/** Whether a call that failed may have found the part there, or may have made it all the same. */
export function mayBeThere(error: unknown): boolean {
  if (!(error instanceof TsuruError)) return false;
  const wasNotAnswered = ['network', 'timeout', 'too_large', 'bad_answer'].includes(error.failure);
  return wasNotAnswered || error.status === 409 || /already exists/i.test(error.words);
}

/** What is wished of an app by one creation. */
export interface AppWish {
  readonly team: string;
  readonly wish: Wish;
  readonly pool: string;
  /** The creation, unlike any other. */
  readonly maker: string;
}

/** Makes the app, or finds a leftover of the same instance and team, which is then to be brought to what is wished. */
export async function ensureApp(operation: Operation, appWish: AppWish): Promise<[Made, App | undefined]> {
  const { api, context, names, signal } = operation;
  const { team, pool, maker } = appWish;
  try {
    await createApp(operation, appWish);
    return ['made', undefined];
  } catch (error) {
    if (!mayBeThere(error)) throw error;
    const app = await api.app(names.part);
    if (app === undefined) throw error;
    if (!isOwn(operation, app) || app.team !== team) throw belongsToSomebodyElse(`an app ${names.part}`);
    // Nobody uses it yet, and to move it takes a restart of what may not run.
    if (pool !== '' && app.pool !== pool) {
      await retryLocked(() => api.removeApp(names.part), { clock: context.clock, signal });
      await createApp(operation, appWish);
      return ['made', undefined];
    }
    // Before anything else, for a creation that fails elsewhere would take all of it back.
    const annotations = { [MAKER_ANNOTATION]: maker };
    await retryLocked(() => api.changeApp(names.part, { annotations }, 'no restart'), { clock: context.clock, signal });
    return ['adopted', app];
  }
}

async function createApp(
  { api, context, id, names, signal }: Operation,
  { team, wish, pool, maker }: AppWish,
): Promise<void> {
  const earlier = earlierDeployAnnotation(await api.lastDeploy(names.part));
  const present = Object.entries({ ...annotationsOf(wish), ...earlier }).filter(([, value]) => value !== '');
  const app = {
    ...{ name: names.part, tags: names.tags, team, pool },
    ...{ plan: wish.plan.tsuruPlan, description: `Prometheus of ${id.instance}` },
    annotations: { ...Object.fromEntries(present), [MAKER_ANNOTATION]: maker },
  };
  await retryLocked(() => api.createApp(app), { clock: context.clock, signal });
}

/** Brings a leftover to what is wished. Its volume comes before: a unit that is restarted takes the one that is there. */
export async function adoptApp({ api, context, signal }: Operation, app: App, wish: Wish): Promise<void> {
  const annotations = changedAnnotations(app, wish);
  const hasNewTsuruPlan = app.plan !== wish.plan.tsuruPlan;
  const change = {
    ...(hasNewTsuruPlan ? { plan: wish.plan.tsuruPlan } : {}),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  if (Object.keys(change).length === 0) return;
  const hasUnits = app.units.length > 0;
  // Two plans of the service may be one of Tsuru's, with different volumes.
  if (hasUnits && !hasNewTsuruPlan && planNameOf(app) !== wish.plan.name) {
    await retryLocked(() => api.restartApp(app.name), { clock: context.clock, signal });
  }
  const restart = hasUnits && hasNewTsuruPlan ? 'restart' : 'no restart';
  await retryLocked(() => api.changeApp(app.name, change, restart), { clock: context.clock, signal });
}
