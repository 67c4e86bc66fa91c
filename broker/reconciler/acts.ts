import { OWNER_ANNOTATION } from '../../agent/shared/own-annotations.ts';
import type { Context } from '../context.ts';
import { bindsText, changeBinds } from '../instances/binds-annotation.ts';
import { planInForce } from '../instances/parts/accepted.ts';
import { instanceTurn, isOwn, operationOn, ownApp, type Operation } from '../instances/parts/instance.ts';
import { restoreApp } from '../instances/restore-app.ts';
import { restoreSettings } from '../instances/restore-settings.ts';
import { restoreToken, restoreVariables } from '../instances/restore.ts';
import { removeToken } from '../instances/parts/token.ts';
import { removeVolume, restoreVolume } from '../instances/parts/volume.ts';
import type { Act } from './act.ts';
import { makerOf } from './decide.ts';
import { deployUnlessDone } from './deploy.ts';

/** One act on one instance must not hold up those of the others: most are a few requests. */
const LIMIT_MS = 30_000;
/** As long as a creation: it is one. */
const CREATION_LIMIT_MS = 150_000;
/** As long as Tsuru has for the removal of an app. */
const REMOVAL_LIMIT_MS = 240_000;

/** Does one act, again looked at in the instance's turn; returns what was done, or undefined if there was nothing left to do. */
export async function perform(context: Context, act: Act, stopping: AbortSignal): Promise<string | undefined> {
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(limitOf(act))]);
  const operation = operationOn(context, act.instance, signal);
  const { names, inTurn } = operation;
  switch (act.kind) {
    case 'revoke':
      return revoke(operation, act.app);
    case 'grant':
      await context.grants.grant(operation.api, names.part, act.app, signal);
      return `granted ${act.app} to ${names.part} again`;
    case 'deploy':
      return deployUnlessDone(operation);
    default:
      return inTurn([instanceTurn(operation)], () => performInTurn(operation, act));
  }
}

function limitOf({ kind }: Act): number {
  if (kind === 'remove') return REMOVAL_LIMIT_MS;
  return kind === 'restore_app' ? CREATION_LIMIT_MS : LIMIT_MS;
}

async function performInTurn(
  operation: Operation,
  act: Exclude<Act, { readonly kind: 'revoke' | 'grant' | 'deploy' }>,
): Promise<string | undefined> {
  const { part } = operation.names;
  switch (act.kind) {
    case 'confirm_binds':
      // A bind that has come since has confirmed itself.
      await changeBinds(operation, (now) => (bindsText(now) === bindsText(act.before) ? act.binds : now));
      return `confirmed the binds of ${act.instance}`;
    case 'restore_app':
      return restoreApp(operation);
    case 'restore_settings':
      return restoreSettings(operation);
    case 'restore_volume':
      return restoreMissingVolume(operation);
    case 'restore_token': {
      const app = await ownApp(operation);
      if (app === undefined || !(await restoreToken(operation, app.team, act.apps))) return undefined;
      return `made the token ${part} again: the running unit takes it with its next restart`;
    }
    case 'restore_variables':
      if ((await ownApp(operation)) === undefined || !(await restoreVariables(operation))) return undefined;
      return `set the missing variables of ${part} again, without a restart`;
    case 'remove':
      return removeLeftover(operation, act);
  }
}

async function restoreMissingVolume(operation: Operation): Promise<string | undefined> {
  const { context, names } = operation;
  const app = await ownApp(operation);
  if (app === undefined) return undefined;
  const name = planInForce(context.plans, app);
  const plan = context.plans.find((one) => one.name === name);
  if (plan === undefined) throw new Error(`the plan ${name} of ${names.part} is no longer offered`);
  const done = await restoreVolume(operation, app, plan);
  if (done === undefined) return undefined;
  return `${done === 'made' ? 'made the volume' : 'bound the volume'} ${names.part} again: the unit has it from its next restart on`;
}

/** Tsuru lists a bind before it calls the broker: what is not listed now, after the grant was seen, is not bound. */
async function revoke(operation: Operation, app: string): Promise<string | undefined> {
  const { api, context, names, signal } = operation;
  if ((await isBound(operation, app)) !== false) return undefined;
  await context.grants.revoke(api, names.part, app, signal);
  // Another broker may have granted it for a bind that came in between: it was listed before that, so it is seen now.
  if ((await isBound(operation, app)) === true) await context.grants.grant(api, names.part, app, signal);
  return `revoked ${app} from ${names.part}: it is not bound`;
}

/** Undefined: Tsuru's list does not have the instance. */
async function isBound({ api, id }: Operation, app: string): Promise<boolean | undefined> {
  return (await api.instances(id.service))?.get(id.instance)?.apps.includes(app);
}

/** A list is no proof that an instance is gone: Tsuru has to say so of this one, and the app has to carry both marks of this service. */
async function removeLeftover(
  operation: Operation,
  { what, maker }: Extract<Act, { readonly kind: 'remove' }>,
): Promise<string | undefined> {
  const { api, context, id, locked, names } = operation;
  if (!(await api.isInstanceGone(id.service, id.instance))) return undefined;
  const app = await api.app(names.part);
  const done = `removed the ${what} ${names.part}: Tsuru knows no instance ${id.instance}`;
  if (what !== 'app') {
    // A volume or token beside an app belongs to a creation under way.
    if (app !== undefined) return undefined;
    await (what === 'volume' ? removeVolume(operation) : removeToken(operation));
    return done;
  }
  // It was removed, or a creation by another broker continues with it: Tsuru knows the instance only once that has ended.
  if (app === undefined || makerOf(app) !== maker) return undefined;
  const isMarked =
    isOwn(operation, app) && app.tags.includes(names.tag) && app.annotations.get(OWNER_ANNOTATION) === names.tag;
  if (!isMarked) {
    throw new Error(
      `${names.part} lacks the tag or the annotation of this service: remove it with "tsuru app-remove -a ${names.part}"`,
    );
  }
  context.deploys.forget(names.part);
  await locked(() => api.removeApp(names.part));
  return done;
}
