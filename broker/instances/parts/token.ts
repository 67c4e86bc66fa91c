import { READER, tokenTurn } from '../../tsuru/grants.ts';
import type { Token } from '../../tsuru/token.ts';
import { mayBeThere } from '../../tsuru/failures.ts';
import type { Made } from './app.ts';
import { belongsToSomebodyElse, type Operation } from './instance.ts';

/** Makes the instance's token, or takes a leftover of the same instance and team; what is lost of it, or too much, has it made again. */
export async function ensureToken(operation: Operation, team: string): Promise<[Made, string]> {
  const { api, id, names, locked } = operation;
  return operation.inTurn([teamTurn(team), tokenTurn(names.part)], async () => {
    const description = `Prometheus of ${id.instance} (${names.tag})`;
    const create = (): Promise<string> => locked(() => api.createToken(names.part, team, description));
    try {
      return ['made', await create()];
    } catch (error) {
      if (!mayBeThere(error)) throw error;
      const token = await api.token(names.part);
      if (token === undefined) throw error;
      if (!isOwnToken(operation, token) || token.team !== team) {
        throw belongsToSomebodyElse(`a token ${names.part}`);
      }
      if (!(await isOfEarlierLife(operation, token))) {
        const value = token.value || (await locked(() => api.regenerateToken(names.part)));
        if (value !== '') return ['adopted', value];
        // The token was given more permissions than this broker has, so Tsuru does not show it; it is not used yet.
      }
      await locked(() => api.removeToken(names.part));
      return ['made', await create()];
    }
  });
}

/** Only what Tsuru knows as an instance is bound: else an earlier one of this name was, and what it might read is not for the new one. */
async function isOfEarlierLife({ api, id, names }: Operation, { roles }: Token): Promise<boolean> {
  const readsOthers = roles.some(({ name, context }) => name === READER && context !== names.part);
  return readsOthers && (await api.instances(id.service))?.has(id.instance) !== true;
}

/** Also fulfilled if there is none, or only a foreign one. */
export async function removeToken(operation: Operation): Promise<void> {
  const { api, names, locked } = operation;
  const token = await ownToken(operation);
  if (token === undefined) return;
  await operation.inTurn([teamTurn(token.team), tokenTurn(names.part)], () =>
    locked(() => api.removeToken(names.part)),
  );
}

/** The instance's own token; undefined if there is none, or a foreign one. */
export async function ownToken(operation: Operation): Promise<Token | undefined> {
  const token = await operation.api.token(operation.names.part);
  return token !== undefined && isOwnToken(operation, token) ? token : undefined;
}

export function isOwnToken({ names }: Pick<Operation, 'names'>, { description }: Token): boolean {
  return description.endsWith(`(${names.tag})`);
}

/** Changes of a team's tokens lock the team in Tsuru. */
function teamTurn(team: string): string {
  return `team:${team}`;
}
