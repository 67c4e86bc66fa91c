import { compareText } from '../../agent/shared/text.ts';
import { READER } from '../tsuru/grants.ts';
import { handPresentToken } from './hand-over.ts';
import { OWN_VARIABLES, ownApp, type Operation } from './parts/instance.ts';
import type { Token } from '../tsuru/token.ts';
import { ensureToken, ownToken } from './parts/token.ts';
import { ensureVariables } from './parts/variables.ts';

/**
 * Makes the token of an instance again, with its grants, and gives it to the app without a restart. To be called in the instance's turn. Tells
 * whether it was gone: a foreign token of this name is left alone.
 */
export async function restoreToken(operation: Operation, team: string, bound: readonly string[]): Promise<boolean> {
  const { api, context, names, signal } = operation;
  // A list of tokens is no proof: it lacks what the broker may not read.
  if ((await api.token(names.part)) !== undefined) return false;
  const [, token] = await ensureToken(operation, team);
  for (const name of [names.part, ...bound]) await context.grants.grant(api, names.part, name, signal);
  await ensureVariables(operation, token, await presentVariables(operation));
  const app = await ownApp(operation);
  // A unit that does not take it while it runs takes it with its next restart.
  if (app !== undefined) await handPresentToken(operation, app).catch(() => false);
  return true;
}

/** Sets the variables that an instance's app lacks. To be called in the instance's turn. Returns whether it lacked any. */
export async function restoreVariables(operation: Operation): Promise<boolean> {
  const token = await ownToken(operation);
  return token !== undefined && setVariables(operation, token);
}

async function setVariables(operation: Operation, token: Token): Promise<boolean> {
  const value = token.value === '' ? undefined : token.value;
  return ensureVariables(operation, value, await presentVariables(operation));
}

/** Restores at once what the reconciler restores within a minute. Returns what was done. */
export async function restoreAccess(operation: Operation, team: string): Promise<readonly string[]> {
  const { api, context, id, names, signal } = operation;
  const bound = (await api.instances(id.service))?.get(id.instance)?.apps ?? [];
  const token = await ownToken(operation);
  if (token === undefined) {
    return (await restoreToken(operation, team, bound)) ? ['the token was made again'] : [];
  }
  const granted = token.roles.filter(({ name }) => name === READER).map(({ context: app }) => app);
  const lost = [names.part, ...bound.toSorted(compareText)].filter((app) => !granted.includes(app));
  for (const app of lost) await context.grants.grant(api, names.part, app, signal);
  const isChanged = await setVariables(operation, token);
  return [
    ...lost.map((app) => `${app} can be read again`),
    ...(isChanged ? ['the variables of the app were set again'] : []),
  ];
}

async function presentVariables({ api, names }: Operation): Promise<ReadonlyMap<string, string> | undefined> {
  return api.env(names.part, OWN_VARIABLES);
}
