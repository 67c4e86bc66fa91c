import { fingerprintOf } from '../../agent/shared/fingerprint.ts';
import type { Token } from '../tsuru/token.ts';
import type { AgentAnswer } from './agent-status.ts';

/** What the running unit has not as Tsuru has it now: a unit reads its variables when it starts, so only a restart helps. */
export type Outdated = 'password' | 'token';

/** Undefined where nothing is outdated, or that is not known. */
export function outdatedOf(agent: AgentAnswer | undefined, token: Token | undefined): Outdated | undefined {
  if (agent?.kind === 'refused') return agent.isOfGateway === true ? 'password' : undefined;
  // Tsuru shows no token to a caller with fewer permissions.
  if (agent?.kind !== 'answered' || token === undefined || token.value === '') return undefined;
  const fingerprint = agent.status.token;
  return fingerprint === '' || fingerprint === fingerprintOf(token.value) ? undefined : 'token';
}
