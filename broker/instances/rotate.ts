import { randomBytes } from 'node:crypto';
import { compareText } from '../../agent/shared/text.ts';
import { BrokerError } from '../errors.ts';
import type { App } from '../tsuru/app.ts';
import type { AgentPlace } from './agent-request.ts';
import { handOver, placeOfAgent, takesHandings, type Handing } from './hand-over.ts';
import {
  appIsGone,
  bindsGiveEnv,
  instanceTurn,
  MANAGED_BY,
  ownApp,
  PASSWORD_BYTES,
  VARIABLES,
  type Operation,
} from './parts/instance.ts';
import { ownToken } from './parts/token.ts';
import { askAgent } from './agent-status.ts';

export const ROTATED = ['password', 'token'] as const;
export type Rotated = (typeof ROTATED)[number];

export interface Rotation {
  /** Restarted: the running unit could not take it, so its data start empty. */
  readonly how: 'while it runs' | 'restarted';
  /** Bound apps whose variables have the old password until they are bound again. */
  readonly outdatedApps: readonly string[];
}

/** An instance that cannot take anything while it runs, and why: a restart would empty its data. */
export class NeedsRestart extends Error {
  override readonly name = 'NeedsRestart';
}

/**
 * Gives an instance a new password or token. The running agent gets it over its guarded port, so that scraping goes on; the app's variable
 * has it for its next start. Nothing is changed before it is known that the agent takes it.
 * @throws {NeedsRestart} where it does not, and `mayRestart` is false.
 */
export async function rotate(operation: Operation, what: Rotated, mayRestart: boolean): Promise<Rotation> {
  return operation.inTurn([instanceTurn(operation)], async () => {
    const app = await ownApp(operation);
    if (app === undefined) throw appIsGone(operation);
    const obstacle = await obstacleOf(operation, app);
    if (obstacle !== undefined && !mayRestart) throw new NeedsRestart(obstacle);
    const place = obstacle === undefined ? await placeOfAgent(operation, app) : undefined;
    const handing =
      what === 'password' ? await rotatePassword(operation, place, mayRestart) : await rotateToken(operation, place);
    if (handing?.kind === 'refused' && !mayRestart) {
      throw new NeedsRestart(`${handing.reason}; the new ${what} is in its variables`);
    }
    if (handing?.kind !== 'taken') await operation.locked(() => operation.api.restartApp(app.name));
    return {
      how: handing?.kind === 'taken' ? 'while it runs' : 'restarted',
      outdatedApps: what === 'password' && bindsGiveEnv(app) ? await boundApps(operation) : [],
    };
  });
}

/** Why the agent cannot take anything while it runs. */
async function obstacleOf(operation: Operation, app: App): Promise<string | undefined> {
  const units = app.units.filter(({ isReady }) => isReady);
  if (units.length > 1) return `it has ${units.length} units, of which its address leads to any`;
  const place = await placeOfAgent(operation, app);
  if (place === undefined) return 'it has no unit that is ready';
  const handing = await takesHandings(place, operation.signal);
  return handing.kind === 'refused' ? handing.reason : undefined;
}

/**
 * The agent takes both passwords until the new one is used. So whatever ends this in between, the one in the app's variable is right, and a
 * repetition continues.
 */
async function rotatePassword(
  operation: Operation,
  place: AgentPlace | undefined,
  mayRestart: boolean,
): Promise<Handing | undefined> {
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  const handing = place === undefined ? undefined : await handOver(place, { password }, operation.signal);
  if (handing?.kind === 'refused' && !mayRestart) throw new NeedsRestart(handing.reason);
  await setVariable(operation, VARIABLES.password, password);
  if (place === undefined || handing?.kind === 'refused') return handing;
  // Its first use ends the old one.
  const answer = await askAgent({ ...place, credentials: { ...place.credentials, password } }, operation.signal);
  return answer.kind === 'answered'
    ? { kind: 'taken' }
    : { kind: 'refused', reason: 'its agent did not answer with the new password' };
}

/** Tsuru ends the old token at once: until the agent has the new one it keeps the targets that it knows. */
async function rotateToken(operation: Operation, place: AgentPlace | undefined): Promise<Handing | undefined> {
  const { api, context, id, locked, names, signal } = operation;
  if ((await ownToken(operation)) === undefined) {
    throw new BrokerError(400, 'it has no token of its own: the broker makes it again within a minute');
  }
  const token = await locked(() => api.regenerateToken(names.part));
  await setVariable(operation, VARIABLES.token, token);
  const handing = place === undefined ? undefined : await handOver(place, { token }, signal);
  if (handing?.kind === 'taken') context.poke(id.instance, []);
  return handing;
}

function setVariable({ api, locked, names }: Operation, name: string, value: string): Promise<void> {
  return locked(() => api.setEnv(names.part, { [name]: value }, MANAGED_BY));
}

async function boundApps({ api, id }: Operation): Promise<readonly string[]> {
  const stored = (await api.instances(id.service))?.get(id.instance);
  return (stored?.apps ?? []).toSorted(compareText);
}
