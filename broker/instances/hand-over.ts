import { basicHeader, type Credentials } from '../../agent/shared/basic-auth.ts';
import { errorText, shortLine } from '../../agent/shared/text.ts';
import type { App } from '../tsuru/app.ts';
import { agentAddressOf, USERNAME, VARIABLES, type Operation } from './parts/instance.ts';
import { ownToken } from './parts/token.ts';

/** The agent writes a small file, and answers. */
const LIMIT_MS = 5_000;
const LONGEST_REASON = 200;
const PATH = '/tsuru/access';

/** Where an agent answers, and with which password. */
export interface AgentPlace {
  readonly address: string;
  readonly credentials: Credentials;
}

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
export async function placeOf({ api, context, names }: Operation, app: App): Promise<AgentPlace | undefined> {
  const address = agentAddressOf(context.instanceUrl, app);
  const env = await api.env(names.part, [VARIABLES.username, VARIABLES.password]);
  const password = env?.get(VARIABLES.password);
  if (address === '' || password === undefined) return undefined;
  return { address, credentials: { username: env?.get(VARIABLES.username) ?? USERNAME, password } };
}

/** Hands the token that Tsuru has to the running agent, which had another one. Returns whether it took it. */
export async function handPresentToken(operation: Operation, app: App): Promise<boolean> {
  const [place, token] = [await placeOf(operation, app), await ownToken(operation)];
  // Tsuru shows no token to a caller with fewer permissions.
  if (place === undefined || token === undefined || token.value === '') return false;
  return (await handOver(place, { token: token.value }, operation.signal)).kind === 'taken';
}

function reasonOf(status: number, reason: string): string {
  if (status === 404 || status === 405) return 'its agent is of an earlier version, which takes nothing while it runs';
  if (status === 401) return 'its agent has another password than Tsuru';
  return status === 0 ? `its agent was not reached (${reason})` : `its agent answered ${status} (${reason})`;
}

async function post(
  { address, credentials }: AgentPlace,
  body: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly reason: string }> {
  try {
    const response = await fetch(`${address.replace(/\/+$/, '')}${PATH}`, {
      method: 'POST',
      headers: { authorization: basicHeader(credentials), 'content-type': 'application/json' },
      body: JSON.stringify(body),
      // It would carry the password elsewhere.
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]),
    });
    return { status: response.status, reason: shortLine(await response.text(), LONGEST_REASON) };
  } catch (error) {
    signal.throwIfAborted();
    return { status: 0, reason: errorText(error) };
  }
}
