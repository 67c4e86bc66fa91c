import { tokenTurn } from '../grants.ts';
import type { Token } from '../tsuru/api.ts';
import { retryLocked } from '../tsuru/locked.ts';
import { mayBeThere, type Made } from './app-part.ts';
import { belongsToSomebodyElse, type Operation } from './instance.ts';

/** Makes the instance's token, or takes a leftover of the same instance and team; its value, if lost, is made anew. */
export async function ensureToken(operation: Operation, team: string): Promise<[Made, string]> {
  const { api, context, id, names } = operation;
  return context.turns.take([teamTurn(team), tokenTurn(names.part)], async () => {
    try {
      const description = `Prometheus of ${id.instance} (${names.tag})`;
      return ['made', await locked(operation, () => api.createToken(names.part, team, description))];
    } catch (error) {
      if (!mayBeThere(error)) throw error;
      const token = await api.token(names.part);
      if (token === undefined) throw error;
      if (!isOwnToken(operation, token) || token.team !== team) {
        throw belongsToSomebodyElse(`a token ${names.part}`);
      }
      return ['adopted', token.value || (await locked(operation, () => api.regenerateToken(names.part)))];
    }
  });
}

/** Fulfilled, too, when there is none, or only somebody else's. */
export async function removeToken(operation: Operation): Promise<void> {
  const { api, context, names } = operation;
  const token = await api.token(names.part);
  if (token === undefined || !isOwnToken(operation, token)) return;
  await context.turns.take([teamTurn(token.team), tokenTurn(names.part)], () =>
    locked(operation, () => api.removeToken(names.part)),
  );
}

function isOwnToken({ names }: Operation, { description }: Token): boolean {
  return description.endsWith(`(${names.tag})`);
}

/** Changes of a team's tokens lock the team in Tsuru. */
function teamTurn(team: string): string {
  return `team:${team}`;
}

function locked<T>({ context, signal }: Operation, work: () => Promise<T>): Promise<T> {
  return retryLocked(work, { clock: context.clock, signal });
}
