import { errorText } from '../../agent/shared/text.ts';
import type { App } from '../tsuru/app.ts';
import { ACCESS_VARIABLES, placeOf, postToInstance, type AgentPlace } from './agent-request.ts';
import type { Operation } from './parts/instance.ts';
import { ownToken } from './parts/token.ts';

/** The agent writes a small file, and answers. */
const LIMIT_MS = 5_000;
const PATH = '/tsuru/access';

export type Handing = { readonly kind: 'taken' } | { readonly kind: 'refused'; readonly reason: string };

/** Whether the agent of an instance takes a token and a password while it runs: one of an earlier version does not. Changes nothing. */
export async function takesHandings(place: AgentPlace, signal: AbortSignal): Promise<Handing> {
  const { status, reason } = await post(place, {}, signal);
  // It refuses what hands over nothing.
  return status === 400 ? { kind: 'taken' } : { kind: 'refused', reason: reasonOf(status, reason) };
}

/** Hands a new token, or a new password, to the agent of an instance that runs; it uses it at once, and after a restart of its process. */
export async function handOver(
  place: AgentPlace,
  handed: { readonly token: string } | { readonly password: string },
  signal: AbortSignal,
): Promise<Handing> {
  const { status, reason } = await post(place, handed, signal);
  return status === 200 ? { kind: 'taken' } : { kind: 'refused', reason: reasonOf(status, reason) };
}

/** Undefined while there is no agent, or its password is not known. */
export async function placeOfAgent({ api, context, names }: Operation, app: App): Promise<AgentPlace | undefined> {
  return placeOf(context.instanceUrl, app, await api.env(names.part, ACCESS_VARIABLES));
}

/** Hands the token that Tsuru has to the running agent, which had another one. Returns whether it took it. */
export async function handPresentToken(operation: Operation, app: App): Promise<boolean> {
  const [place, token] = [await placeOfAgent(operation, app), await ownToken(operation)];
  // Tsuru shows no token to a caller with fewer permissions.
  if (place === undefined || token === undefined || token.value === '') return false;
  return (await handOver(place, { token: token.value }, operation.signal)).kind === 'taken';
}

function reasonOf(status: number, reason: string): string {
  if (status === 404 || status === 405) return 'its agent is of an earlier version, which takes nothing while it runs';
  if (status === 401) return 'its agent has another password than Tsuru';
  return status === 0 ? `its agent was not reached (${reason})` : `its agent answered ${status} (${reason})`;
}

/** Status 0: it was not reached. */
async function post(
  place: AgentPlace,
  body: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly reason: string }> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
    const { status, text } = await postToInstance(place, PATH, body, limit);
    return { status, reason: text };
  } catch (error) {
    signal.throwIfAborted();
    return { status: 0, reason: errorText(error) };
  }
}
