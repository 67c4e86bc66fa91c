import type { Context } from '../context.ts';
import { BrokerError, ParametersRefused } from '../errors.ts';
import { refusal } from '../refusals.ts';
import type { Plan } from '../plans/plan.ts';
import type { AppChange } from '../tsuru/api.ts';
import type { App } from '../tsuru/app.ts';
import { versionOf } from '../image-name.ts';
import { handPresentToken } from './hand-over.ts';
import { noteImage, requestedImage } from './image.ts';
import { wayOut } from './in-force.ts';
import { gatherFacts } from './gather.ts';
import { planInForce } from './parts/accepted.ts';
import {
  ANSWER_LIMIT_MS,
  changedAnnotations,
  deployOf,
  instanceTurn,
  operationOn,
  ownApp,
  within,
  type Requester,
  REQUESTED_IMAGE_ANNOTATION,
  type Operation,
  appIsGone,
} from './parts/instance.ts';
import { readDesired, type Parameters, type Desired } from '../plans/parameters.ts';
import type { Outdated } from './outdated.ts';
import { restoreAccess } from './restore.ts';
import { assertVolumePlan, withVolume } from './parts/volume.ts';

/** The whole new state, not what is new in it. */
export interface UpdateRequest {
  readonly team: string;
  /** '': the one it has. */
  readonly plan: string;
  readonly parameters: Parameters;
}

/** Brings an instance to a new state, and returns what was done. Everything is checked before anything is changed. */
export async function updateInstance(
  context: Context,
  name: string,
  request: UpdateRequest,
  requester: Requester,
): Promise<string> {
  const operation = operationOn(context, name, within(context, ANSWER_LIMIT_MS));
  const { part } = operation.names;
  let { plan } = request;
  let pool = '';
  let planBefore = '';
  try {
    return await operation.inTurn([instanceTurn(operation)], async () => {
      const app = await ownApp(operation);
      // Not 404, which Tsuru takes for a success.
      if (app === undefined) throw appIsGone(operation);
      pool = app.pool;
      planBefore = planInForce(context.plans, app);
      if (plan === '' || plan === planBefore) plan = presentPlan(context, app, name);
      const desired = readDesired(context.plans, plan, request.parameters);
      plan = desired.plan.name;
      // What is in force already was judged before, perhaps by another version.
      if (Object.keys(changedAnnotations(app, desired)).length > 0)
        await context.assertRules(desired.rules, operation.signal);
      if (desired.pool !== '' && desired.pool !== app.pool) {
        throw new ParametersRefused(
          `The instance runs in the pool ${app.pool}, which cannot be changed: add another instance in ${desired.pool}.`,
          ['pool'],
        );
      }
      const done = await bringTo(operation, app, desired, request.team);
      context.poke(name, []);
      context.log.info({ instance: name, app: part, plan, ...requester }, `updated the instance ${name}: ${done}`);
      return done;
    });
  } catch (error) {
    const { tsuruPlan = '', storage } = context.plans.find((one) => one.name === plan) ?? {};
    const told = refusal(error, 'update the instance', {
      ...{ app: part, team: request.team, pool, plan, tsuruPlan, volumePlan: storage?.volumePlan ?? '' },
    });
    throw withWayOut(told, context, name, request.plan === '' || request.plan === planBefore ? '' : planBefore);
  }
}

/**
 * Tsuru stores plan and parameters before it asks the broker, and the client sends them with each later update: a refusal says how to end that.
 * `planBefore` is the plan to go back to; '': the plan is not new.
 */
function withWayOut(error: unknown, { service }: Context, instance: string, planBefore: string): unknown {
  if (!(error instanceof BrokerError) || error.status !== 400) return error;
  const command =
    error instanceof ParametersRefused
      ? wayOut({ service, instance }, error.names, '')
      : wayOut({ service, instance }, [], planBefore);
  if (command === undefined) return error;
  return new BrokerError(
    error.status,
    `${error.message} Tsuru keeps what was refused and sends it with each update: give another value, or run ${command}.`,
    error.cause,
  );
}

/** Without -p, the present plan is kept: switching loses data. */
function presentPlan({ plans, service }: Context, app: App, instance: string): string {
  const name = planInForce(plans, app);
  if (plans.some((one) => one.name === name)) return name;
  throw new BrokerError(
    400,
    `The plan ${name || app.plan} of this instance is no longer offered: run "tsuru service-instance-update ${service} ${instance} -p PLAN" with one of ${plans.map((one) => one.name).join(', ')}.`,
  );
}

async function bringTo(operation: Operation, app: App, desired: Desired, desiredTeam: string): Promise<string> {
  const { plan } = desired;
  const { api, context, names } = operation;
  const image =
    desired.image === ''
      ? undefined
      : requestedImage(context.image, app, await api.lastDeploy(names.part), desired.image);
  const settings = changedAnnotations(app, desired);
  const hasNewSettings = Object.keys(settings).length > 0;
  const hasNewRequest = (app.annotations.get(REQUESTED_IMAGE_ANNOTATION) ?? '') !== desired.image;
  const annotations = { ...settings, ...(hasNewRequest ? { [REQUESTED_IMAGE_ANNOTATION]: desired.image } : {}) };
  const hasNewAnnotations = hasNewSettings || hasNewRequest;
  const team = desiredTeam || app.team;
  const hasNewTeam = team !== app.team;
  const hasNewPlan = planInForce(context.plans, app) !== plan.name || app.plan !== plan.tsuruPlan;
  const rest: AppChange = { ...(hasNewTeam ? { teamOwner: team } : {}), ...(hasNewAnnotations ? { annotations } : {}) };
  if (hasNewPlan) await assertVolumePlan(operation, plan);
  // First, for what restarts then takes it.
  const restored = await restoreAccess(operation, app.team);
  const waits = await isWaitingForDeploy(operation, app);
  let hasNewVolume = false;
  if (hasNewPlan) await changePlan(operation, app, { plan, team, rest, hasUnit: !waits });
  else {
    // Also when nothing else is new: an unfinished update may have left the volume of another plan.
    hasNewVolume = await withVolume(
      operation,
      { team, plan, pool: app.pool, when: 'next restart' },
      async (isChanged) => {
        if (hasNewTeam || hasNewAnnotations) await change(operation, app, rest, 'no restart');
        return isChanged;
      },
    );
  }
  if (waits) {
    await context.deploys.start(app.name, 'begun by an update');
    return `the plan is ${plan.name}; the instance had no unit yet, and is being deployed`;
  }
  if (image !== undefined) {
    await noteImage(operation, image);
    await context.deploys.start(app.name, `the image ${image}, wanted by an update`, image);
    const planText = hasNewPlan ? `the plan is now ${plan.name}; ` : '';
    return `${planText}the image ${versionOf(image)} is being deployed, and its data start empty`;
  }
  if (hasNewPlan) {
    const emptied =
      plan.storage.kind === 'tmpfs' ? 'its memory, and so its data, start empty' : 'its disk starts empty';
    return `the plan is now ${plan.name}; the unit was restarted, ${emptied}`;
  }
  const parts = plan.storage.kind === 'tmpfs' ? 'app and volume are' : 'the app is';
  const done = [
    // A token's team cannot be changed, and a new token takes a restart, and so the data.
    ...(hasNewTeam ? [`${parts} now of the team ${team}, the token stays with the one before`] : []),
    ...(hasNewSettings ? ['the settings are live with the next poll'] : []),
    ...(hasNewVolume ? ['the volume is that of the plan from the next restart on'] : []),
    ...restored,
  ];
  const outdated = await restartOutdated(operation, app);
  if (outdated === 'handed') done.push('the unit took its new token');
  else if (outdated !== undefined)
    return [...done, `the unit was restarted for its new ${outdated}, its data start empty`].join(', ');
  return done.length === 0 ? 'nothing to do' : [...done, 'nothing restarts'].join(', ');
}

/** Hands the new token to a unit that runs with another one, or restarts it; returns what was no longer valid. */
async function restartOutdated(operation: Operation, app: App): Promise<Outdated | 'handed' | undefined> {
  const { name } = app;
  const { outdated } = await gatherFacts(operation);
  if (outdated === 'token' && (await handPresentToken(operation, app))) return 'handed';
  if (outdated !== undefined) await operation.locked(() => operation.api.restartApp(name));
  return outdated;
}

/** Whether its first deploy has failed, or has never begun. */
async function isWaitingForDeploy({ api, names }: Operation, app: App): Promise<boolean> {
  if (app.deploys > 0 || app.units.length > 0) return false;
  return deployOf(app, await api.lastDeploy(names.part))?.isRunning !== true;
}

interface PlanChange {
  readonly plan: Plan;
  readonly team: string;
  /** What else is new of the app. */
  readonly rest: AppChange;
  /** Without one there is nothing to restart. */
  readonly hasUnit: boolean;
}

async function changePlan(operation: Operation, app: App, { plan, team, rest, hasUnit }: PlanChange): Promise<void> {
  const { api, locked } = operation;
  const { tsuruPlan } = plan;
  const isNewForTsuru = app.plan !== tsuruPlan;
  await withVolume(operation, { team, plan, pool: app.pool, when: 'now' }, async (isVolumeChanged) => {
    if (isNewForTsuru) {
      await change(operation, app, { ...rest, plan: tsuruPlan }, hasUnit ? 'restart' : 'no restart');
    } else if (hasUnit && (isVolumeChanged || app.units.length > 0)) {
      await locked(() => api.restartApp(app.name));
    }
  });
  // The plan's name comes last: a retry then knows that there is still something to do.
  if (!isNewForTsuru) await change(operation, app, rest, 'no restart');
}

function change(
  { api, locked }: Operation,
  { name }: App,
  what: AppChange,
  restart: 'restart' | 'no restart',
): Promise<void> {
  return locked(() => api.changeApp(name, what, restart));
}
