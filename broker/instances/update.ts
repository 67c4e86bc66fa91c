import { errorText } from '../../agent/shared/text.ts';
import { TsuruError } from '../../agent/shared/tsuru.ts';
import type { Context } from '../context.ts';
import { BrokerError } from '../errors.ts';
import { refusal } from '../refusals.ts';
import type { AppChange } from '../tsuru/api.ts';
import type { App } from '../tsuru/app.ts';
import { retryLocked } from '../tsuru/locked.ts';
import {
  changedAnnotations,
  instanceTurn,
  operationOn,
  ownApp,
  planNameOf,
  type Doer,
  type Operation,
} from './instance.ts';
import { readWish, type Parameters, type Wish } from './parameters.ts';
import { changeVolume, moveVolume, type VolumeChange } from './volume-part.ts';

/** Tsuru waits 5 minutes; a change of plan waits for the new unit. */
const LIMIT_MS = 280_000;

/** The whole new state, not what is new in it. */
export interface UpdateRequest {
  readonly team: string;
  /** '': the one it has. */
  readonly plan: string;
  readonly parameters: Parameters;
}

/** Brings an instance to a new state, and tells what was done. Everything is checked before anything is changed. */
export async function updateInstance(
  context: Context,
  name: string,
  request: UpdateRequest,
  doer: Doer,
): Promise<string> {
  const operation = operationOn(context, name, AbortSignal.timeout(LIMIT_MS));
  const { part } = operation.names;
  let { plan } = request;
  let pool = '';
  try {
    return await context.turns.take([instanceTurn(operation)], async () => {
      const app = await ownApp(operation);
      // Not 404, which Tsuru takes for a success.
      if (app === undefined) {
        throw new BrokerError(410, `The app ${part} of this instance is gone: remove the instance, and add it again.`);
      }
      pool = app.pool;
      plan ||= presentPlan(context, app);
      const wish = readWish(context.plans, plan, request.parameters);
      plan = wish.plan.name;
      if (wish.pool !== '' && wish.pool !== app.pool) {
        throw new BrokerError(
          400,
          `The instance runs in the pool ${app.pool}, which cannot be changed: add another instance in ${wish.pool}.`,
        );
      }
      const done = await bringTo(operation, app, wish, request.team);
      context.log.info({ instance: name, app: part, plan, ...doer }, `updated the instance ${name}: ${done}`);
      return done;
    });
  } catch (error) {
    const { tsuruPlan = '', storage } = context.plans.find((one) => one.name === plan) ?? {};
    throw refusal(error, 'update the instance', {
      ...{ app: part, team: request.team, pool, plan, tsuruPlan, volumePlan: storage?.volumePlan ?? '' },
    });
  }
}

/** Who names no plan wants to keep it, and not to lose the data to another. */
function presentPlan({ plans }: Context, app: App): string {
  const name = planNameOf(app);
  if (plans.some((one) => one.name === name)) return name;
  throw new BrokerError(
    400,
    `The plan ${name || app.plan} of this instance is no longer offered: choose one with "-p PLAN".`,
  );
}

async function bringTo(operation: Operation, app: App, wish: Wish, wishedTeam: string): Promise<string> {
  const { api, context, signal } = operation;
  const { tsuruPlan, storage, name } = wish.plan;
  const annotations = changedAnnotations(app, wish);
  const hasNewSettings = Object.keys(annotations).length > 0;
  const team = wishedTeam || app.team;
  const hasNewTeam = team !== app.team;
  const rest: AppChange = { ...(hasNewTeam ? { teamOwner: team } : {}), ...(hasNewSettings ? { annotations } : {}) };
  const change = (what: AppChange, restart: 'restart' | 'no restart'): Promise<void> =>
    retryLocked(() => api.changeApp(app.name, what, restart), { clock: context.clock, signal });

  if (planNameOf(app) === name && app.plan === tsuruPlan) {
    // Before the app, which tells a retry that there is still something to do.
    if (hasNewTeam) await moveVolume(operation, team);
    if (hasNewTeam || hasNewSettings) await change(rest, 'no restart');
    return doneLive(hasNewTeam ? team : '', hasNewSettings);
  }
  const volume = await changeVolume(operation, team, wish.plan, app.pool);
  try {
    if (app.plan !== tsuruPlan) await change({ ...rest, plan: tsuruPlan }, 'restart');
    else if (volume.isChanged || app.units.length > 0) {
      await retryLocked(() => api.restartApp(app.name), { clock: context.clock, signal });
    }
  } catch (error) {
    // Without an answer of Tsuru's the app may have changed.
    if (error instanceof TsuruError && error.status !== undefined) await putBack(operation, volume);
    throw error;
  }
  // The plan's name comes last: a retry then knows that there is still something to do.
  if (app.plan === tsuruPlan) await change(rest, 'no restart');
  const emptied = storage.kind === 'tmpfs' ? 'its memory, and so its data, start empty' : 'its disk starts empty';
  return `the plan is now ${name}; the unit was restarted, ${emptied}`;
}

/** A token's team cannot be changed, and a new token takes a restart, and so the data. */
function doneLive(team: string, hasNewSettings: boolean): string {
  const done = [
    ...(team === '' ? [] : [`app and volume are now of the team ${team}, the token stays with the one before`]),
    ...(hasNewSettings ? ['the settings are live with the next poll'] : []),
  ];
  return done.length === 0 ? 'nothing to do' : [...done, 'nothing restarts'].join(', ');
}

/** The app goes on with its old plan, and so with its old volume. What cannot be put back is changed by the next update. */
async function putBack({ context, id }: Operation, volume: VolumeChange): Promise<void> {
  try {
    await volume.putBack();
  } catch (error) {
    context.log.warn(
      { instance: id.instance, reason: errorText(error) },
      'the volume could not be put back to the old plan',
    );
  }
}
