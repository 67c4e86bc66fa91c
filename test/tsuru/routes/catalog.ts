import { demand } from '../callers.ts';
import { json, list, type Route } from '../http.ts';
import { covers } from '../permissions.ts';
import { poolJson } from '../pools.ts';
import type { World } from '../world.ts';

/** The version of the tsurud that was recorded. */
const VERSION = '1.23.1';
/** What an administrator may do with a team, as `tsuru team list` shows it. */
const TEAM_PERMISSIONS = ['app', 'certissuer', 'team', 'service', 'service-instance', 'volume', 'webhook', 'job'];

/** What there is besides apps: who the caller is, teams, pools, plans. */
export function catalogRoutes({ state }: World): Route[] {
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
