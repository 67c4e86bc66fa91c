import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, type Caller } from '../callers.ts';
import { badRequest, notFound, TsuruError } from '../errors.ts';
import { goJson, ZERO_TIME } from '../go.ts';
import { json, list, OK, TEXT, type Answer, type Call, type Route, type WholeAnswer } from '../http.ts';
import { flag, text } from '../input.ts';
import { permissionsOf, permits } from '../permissions.ts';
import type { State, Token } from '../state.ts';
import type { World } from '../world.ts';

const ID = /^[a-z][a-z0-9-]{0,39}$/;

export function tokenRoutes(world: World): Route[] {
  const { state } = world;
  const change = (action: string, method: string, work: (token: Token, call: Call) => Answer): Route => ({
    method,
    path: '/tokens/:token',
    answer: (call) => {
      const token = findToken(state, call);
      return changeTokens(world, call, action, token.team, () => work(token, call));
    },
  });
  return [
    {
      method: 'GET',
      path: '/tokens',
      answer: ({ caller }) =>
        list(
          [...state.tokens.values()]
            .filter(({ team }) => permits(caller.permissions, 'team.token.read', [{ type: 'team', value: team }]))
            .map((token) => tokenJson(state, token, caller)),
        ),
    },
    {
      method: 'GET',
      path: '/tokens/:token',
      answer: (call) => {
        const token = findToken(state, call);
        demand(call.caller, 'team.token.read', [{ type: 'team', value: token.team }]);
        return json(tokenJson(state, token, call.caller));
      },
    },
    {
      method: 'POST',
      path: '/tokens',
      answer: (call) => {
        const team = text(call.body.tree, 'team');
        return changeTokens(world, call, 'create', team, () => {
          const token = newToken(state, call, team);
          state.tokens.set(token.id, token);
          return sniffedJson(tokenJson(state, token, call.caller), 201);
        });
      },
    },
    change('update', 'PUT', (token, { body: { tree }, caller }) => {
      token.description = text(tree, 'description') || token.description;
      const expiresIn = Number(text(tree, 'expires_in') || 0);
      if (expiresIn !== 0) token.expiresAt = expiresIn > 0 ? secondsFromNow(expiresIn) : undefined;
      if (flag(tree, 'regenerate')) token.secret = newSecret();
      return sniffedJson(tokenJson(state, token, caller));
    }),
    change('delete', 'DELETE', (token) => {
      const isOwner = [...state.apps.values()].some(({ owner }) => owner === `${token.id}@tsuru-team-token`);
      if (isOwner) throw new TsuruError('cannot remove a team token that owns apps');
      state.tokens.delete(token.id);
      return OK;
    }),
  ];
}

/** Changes of a team's tokens lock the team; a second one at the same time is refused at once. */
function changeTokens(world: World, call: Call, action: string, team: string, work: () => Answer): Promise<Answer> {
  const target = { type: 'team', value: team };
  const kind = `team.token.${action}`;
  demand(call.caller, kind, [target]);
  return world.events.run({ kind, target, owner: call.caller.owner }, async () => {
    await sleep(world.locks.holdMs);
    return work();
  });
}

function findToken(state: State, { params }: Call): Token {
  const token = state.tokens.get(params['token'] ?? '');
  if (token === undefined) throw notFound('team token not found');
  return token;
}

function newToken(state: State, { body: { tree }, caller }: Call, team: string): Token {
  const secret = newSecret();
  const id = text(tree, 'token_id') || `${team}-${secret.slice(0, 5)}`;
  const expiresIn = Number(text(tree, 'expires_in') || 0);
  if (!state.teams.includes(team)) throw badRequest('team not found');
  if (!ID.test(id)) throw new TsuruError('invalid token_id');
  if (state.tokens.has(id)) throw new TsuruError('team token already exists');
  return {
    id,
    secret,
    description: text(tree, 'description'),
    team,
    creator: caller.email,
    createdAt: new Date(),
    expiresAt: expiresIn > 0 ? secondsFromNow(expiresIn) : undefined,
    lastAccess: undefined,
    grants: [],
  };
}

function secondsFromNow(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000);
}

function newSecret(): string {
  return randomBytes(32).toString('hex');
}

/** The token itself is shown only to who may do all that it may. */
function tokenJson(state: State, token: Token, caller: Caller): Record<string, unknown> {
  const isShown = permissionsOf(token.grants, state.roles).every(({ name, context }) =>
    permits(caller.permissions, name, [context]),
  );
  const roles = token.grants.map(({ role, contextValue }) => ({ Name: role, ContextValue: contextValue }));
  return {
    token: isShown ? token.secret : '',
    token_id: token.id,
    description: token.description,
    created_at: token.createdAt.toISOString(),
    expires_at: token.expiresAt?.toISOString() ?? ZERO_TIME,
    last_access: token.lastAccess?.toISOString() ?? ZERO_TIME,
    creator_email: token.creator,
    team: token.team,
    ...(roles.length === 0 ? {} : { roles }),
  };
}

/** JSON whose content type Tsuru forgets to set: Go takes it for plain text. */
function sniffedJson(value: unknown, status = 200): WholeAnswer {
  return { status, contentType: TEXT, body: goJson(value) };
}
