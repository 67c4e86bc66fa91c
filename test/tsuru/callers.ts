import { badRequest, forbidden, TsuruError } from './errors.ts';
import type { Owner } from './events.ts';
import { permissionsOf, permits, type Context, type Grant, type Permission } from './permissions.ts';
import type { App, State } from './state.ts';

/** Who makes a request: the user or the team token of the Authorization header. */
export interface Caller {
  /** The user's address; a token has one too. */
  readonly email: string;
  readonly owner: Owner;
  readonly grants: readonly Grant[];
  readonly permissions: readonly Permission[];
}

/** Finds the caller, and notes that their token was used. */
export function authenticate(state: State, authorization: string | undefined): Caller {
  const secret = authorization?.trim().split(' ').at(-1) ?? '';
  const user = state.users.find((candidate) => candidate.secret === secret);
  if (user !== undefined) {
    return callerOf(state, user.email, { type: 'user', name: user.email }, user.grants);
  }
  const token = [...state.tokens.values()].find((candidate) => candidate.secret === secret);
  const now = new Date();
  if (secret === '' || token === undefined || (token.expiresAt ?? now) < now) {
    throw new TsuruError('You must provide a valid Authorization header', 401);
  }
  token.lastAccess = now;
  return callerOf(state, `${token.id}@tsuru-team-token`, { type: 'token', name: token.id }, token.grants);
}

export function appContexts({ name, teamOwner, pool }: App): Context[] {
  return [
    { type: 'team', value: teamOwner },
    { type: 'app', value: name },
    { type: 'pool', value: pool },
  ];
}

export function mayOnApp(caller: Caller, permission: string, app: App): boolean {
  return permits(caller.permissions, permission, appContexts(app));
}

export function demand(caller: Caller, permission: string, contexts: readonly Context[] = []): void {
  if (!permits(caller.permissions, permission, contexts)) throw forbidden();
}

/** The team of whoever names none; with several, somebody has to choose. */
export function onlyTeam(teams: readonly string[]): string {
  const [only] = teams;
  if (only === undefined || teams.length > 1) throw badRequest('You must provide a team to execute this action.');
  return only;
}

function callerOf(state: State, email: string, owner: Owner, grants: readonly Grant[]): Caller {
  return { email, owner, grants, permissions: permissionsOf(grants, state.roles) };
}
