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
import type { Act } from './decide.ts';
import { deployUnlessDone } from './deploy.ts';

/** One act on one instance must not hold up those of the others. */
const LIMIT_MS = 120_000;

/** Does one act, once more looked at in the instance's turn; tells what was done, or undefined when there was nothing to do any more. */
export async function perform(context: Context, act: Act, stopping: AbortSignal): Promise<string | undefined> {
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(LIMIT_MS)]);
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
      return removeLeftover(operation, act.what);
  }
}

/** Tsuru lists a bind before it calls the broker: what is not listed now, after the grant was seen, is not bound. */
async function revoke(operation: Operation, app: string): Promise<string | undefined> {
  const { api, context, id, names, signal } = operation;
  const instance = (await api.instances(id.service))?.get(id.instance);
  if (instance === undefined || instance.apps.includes(app)) return undefined;
  await context.grants.revoke(api, names.part, app, signal);
  return `revoked ${app} from ${names.part}: it is not bound`;
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
async function removeLeftover(operation: Operation, what: 'app' | 'volume' | 'token'): Promise<string | undefined> {
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
  const isMarked =
    app !== undefined &&
    isOwn(operation, app) &&
    app.tags.includes(names.tag) &&
    app.annotations.get(OWNER_ANNOTATION) === names.tag;
  if (!isMarked) return undefined;
  context.deploys.forget(names.part);
  await locked(() => api.removeApp(names.part));
  return done;
}
