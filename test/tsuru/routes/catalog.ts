import { demand } from '../callers.ts';
import { badRequest, conflict } from '../errors.ts';
import { CREATED, json, list, type Answer, type Call, type Route } from '../http.ts';
import { text } from '../input.ts';
import { covers } from '../permissions.ts';
import { poolJson } from '../pools.ts';
import type { World } from '../world.ts';

/** The version of the tsurud that was recorded. */
const VERSION = '1.23.1';
/** What an administrator may do with a team, as `tsuru team list` shows it. */
const TEAM_PERMISSIONS = ['app', 'certissuer', 'team', 'service', 'service-instance', 'volume', 'webhook', 'job'];

const TEAM = /^[a-z][a-z0-9-]{0,39}$/;

/** What there is besides apps: who the caller is, teams, pools, plans. */
export function catalogRoutes(world: World): Route[] {
  const { state } = world;
  return [
    { method: 'GET', path: '/info', answer: () => json({ version: VERSION }) },
    { method: 'GET', path: '/plans', answer: () => list([...state.plans.values()]) },
    {
      method: 'GET',
      path: '/users/info',
      answer: ({ caller }) => {
        const contextType = (role: string): string => state.roles.get(role)?.contextType ?? 'global';
        return json({
          Email: caller.email,
          Roles: caller.grants.map(({ role, contextValue }) => ({
            Name: role,
            ContextType: contextType(role),
            ContextValue: contextValue,
          })),
          Permissions: caller.permissions.map(({ name, context }) => ({
            Name: name,
            ContextType: context.type,
            ContextValue: context.value,
          })),
          Groups: null,
        });
      },
    },
    {
      method: 'GET',
      path: '/teams',
      answer: ({ caller }) =>
        list(
          state.teams
            .map((name) => ({
              name,
              tags: [],
              permissions: TEAM_PERMISSIONS.filter((permission) =>
                caller.permissions.some(
                  (held) =>
                    covers(held.name, permission) &&
                    (held.context.type === 'global' || (held.context.type === 'team' && held.context.value === name)),
                ),
              ),
            }))
            .filter(({ permissions }) => permissions.length > 0),
        ),
    },
    { method: 'POST', path: '/teams', answer: (call) => createTeam(world, call) },
    {
      method: 'GET',
      path: '/pools',
      answer: ({ caller }) => {
        demand(caller, 'pool.read');
        return list([...state.pools.values()].map((pool) => poolJson(state, pool)));
      },
    },
  ];
}

/** Statuses and words are those of Tsuru's sources (api/team.go); no recording has them. */
async function createTeam({ state, events }: World, { caller, body: { tree } }: Call): Promise<Answer> {
  demand(caller, 'team.create');
  const name = text(tree, 'name');
  await events.run({ kind: 'team.create', target: { type: 'team', value: name }, owner: caller.owner }, () => {
    if (!TEAM.test(name)) throw badRequest('invalid team name');
    if (state.teams.includes(name)) throw conflict('team already exists');
    state.teams.push(name);
    return Promise.resolve();
  });
  return CREATED;
}
