import type { Context } from '../context.ts';
import { bindsText, changeBinds } from '../instances/binds-annotation.ts';
import {
  instanceTurn,
  isOwn,
  operationOn,
  ownApp,
  OWNER_ANNOTATION,
  VARIABLES,
  type Operation,
} from '../instances/instance.ts';
import { ensureToken, ownToken, removeToken } from '../instances/token-part.ts';
import { ensureVariables } from '../instances/variables-part.ts';
import { removeVolume } from '../instances/volume-part.ts';
import { makerOf, type Act } from './decide.ts';
import { deployUnlessDone } from './deploy.ts';

/** One act on one instance must not hold up those of the others: most are a few requests. */
const LIMIT_MS = 30_000;
/** As long as Tsuru has for the removal of an app. */
const REMOVAL_LIMIT_MS = 240_000;

/** Does one act, once more looked at in the instance's turn; tells what was done, or undefined when there was nothing to do any more. */
export async function perform(context: Context, act: Act, stopping: AbortSignal): Promise<string | undefined> {
  const limitMs = act.kind === 'remove' ? REMOVAL_LIMIT_MS : LIMIT_MS;
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(limitMs)]);
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

async function performInTurn(
  operation: Operation,
  act: Exclude<Act, { readonly kind: 'revoke' | 'grant' | 'deploy' }>,
): Promise<string | undefined> {
  switch (act.kind) {
    case 'confirm_binds':
      // A bind that has come since has confirmed itself.
      await changeBinds(operation, (now) => (bindsText(now) === bindsText(act.before) ? act.binds : now));
      return `confirmed the binds of ${act.instance}`;
    case 'restore_token':
      return restoreToken(operation, act.apps);
    case 'restore_variables':
      return restoreVariables(operation);
    case 'remove':
      return removeLeftover(operation, act);
  }
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

async function restoreToken(operation: Operation, apps: readonly string[]): Promise<string | undefined> {
  const { api, context, names, signal } = operation;
  const app = await ownApp(operation);
  // The list of tokens is no proof: it lacks what the broker may not read.
  if (app === undefined || (await api.token(names.part)) !== undefined) return undefined;
  const [, token] = await ensureToken(operation, app.team);
  for (const name of [names.part, ...apps]) await context.grants.grant(api, names.part, name, signal);
  await ensureVariables(operation, token, await api.env(names.part, Object.values(VARIABLES)));
  return `made the token ${names.part} again: the running unit takes it with its next restart`;
}

async function restoreVariables(operation: Operation): Promise<string | undefined> {
  const { api, names } = operation;
  const token = (await ownApp(operation)) === undefined ? undefined : await ownToken(operation);
  if (token === undefined) return undefined;
  const value = token.value === '' ? undefined : token.value;
  const isChanged = await ensureVariables(operation, value, await api.env(names.part, Object.values(VARIABLES)));
  return isChanged ? `set the missing variables of ${names.part} again, without a restart` : undefined;
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
    // A volume or token beside an app belongs to a creation that goes on.
    if (app !== undefined) return undefined;
    await (what === 'volume' ? removeVolume(operation) : removeToken(operation));
    return done;
  }
  // It was removed, or a creation by another broker goes on with it: Tsuru knows the instance only once that has ended.
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
