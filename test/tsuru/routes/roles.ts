import { setTimeout as sleep } from 'node:timers/promises';
import { demand } from '../callers.ts';
import { badRequest, conflict, forbidden, notFound } from '../errors.ts';
import { CREATED, json, OK, type Answer, type Call, type Route } from '../http.ts';
import { text, texts } from '../input.ts';
import { permissionText, permits, rolePermissions, type Grant, type Role } from '../permissions.ts';
import type { State } from '../state.ts';
import type { World } from '../world.ts';

const CONTEXT_TYPES = [
  'global',
  'app',
  'team',
  'user',
  'pool',
  'iaas',
  'service',
  'service-instance',
  'volume',
  'router',
  'job',
];

export function roleRoutes(world: World): Route[] {
  const { state } = world;
  return [
    {
      method: 'POST',
      path: '/roles',
      answer: ({ caller, body: { tree } }) => {
        demand(caller, 'role.create');
        const role = {
          name: text(tree, 'name'),
          contextType: text(tree, 'context'),
          description: text(tree, 'description'),
        };
        if (role.name === '') throw badRequest('invalid role name');
        if (!CONTEXT_TYPES.includes(role.contextType)) throw badRequest(`invalid context type "${role.contextType}"`);
        if (state.roles.has(role.name)) throw conflict('role already exists');
        state.roles.set(role.name, { ...role, permissions: [] });
        return CREATED;
      },
    },
    {
      method: 'GET',
      path: '/roles/:role',
      // As Tsuru's sources write it (permission/role.go); no recording has it.
      answer: ({ caller, params }) => {
        demand(caller, 'role.update');
        const role = state.roles.get(params['role'] ?? '');
        if (role === undefined) throw notFound('role not found');
        const { name, contextType, description, permissions } = role;
        return json({
          ...{ name, context: contextType, Description: description },
          ...(permissions.length === 0 ? {} : { scheme_names: permissions }),
        });
      },
    },
    {
      method: 'POST',
      path: '/roles/:role/permissions',
      answer: (call) => {
        demand(call.caller, 'role.update.permission.add');
        return changeRole(world, call, 'role.update.permission.add', (role) => {
          const added = texts(call.body.tree, 'permission');
          const permissions = [...new Set([...role.permissions, ...added])].sort();
          state.roles.set(role.name, { ...role, permissions });
          return OK;
        });
      },
    },
    {
      method: 'POST',
      path: '/roles/:role/token',
      answer: (call) => {
        demand(call.caller, 'role.update.assign');
        const { tree } = call.body;
        const value = text(tree, 'context');
        return changeRole(world, call, 'role.update.assign', (role) => {
          assertContext(state, role, value);
          assertMayUse(call, role, value);
          return changeGrants(state, text(tree, 'token_id'), (grants) =>
            grants.some((grant) => isGrant(grant, role, value))
              ? grants
              : [...grants, { role: role.name, contextValue: value }],
          );
        });
      },
    },
    {
      method: 'DELETE',
      path: '/roles/:role/token/:token',
      answer: (call) => {
        demand(call.caller, 'role.update.dissociate');
        const value = call.query.get('context') ?? '';
        // What the role was granted for may be gone.
        return changeRole(world, call, 'role.update.dissociate', (role) => {
          assertMayUse(call, role, value);
          return changeGrants(state, call.params['token'] ?? '', (grants) =>
            grants.filter((grant) => !isGrant(grant, role, value)),
          );
        });
      },
    },
  ];
}

/** Tsuru's lock is on the whole role, whoever it is granted to; a second change at the same time is refused at once. */
function changeRole(world: World, call: Call, kind: string, work: (role: Role) => Answer): Promise<Answer> {
  const name = call.params['role'] ?? '';
  const target = { type: 'role', value: name };
  return world.events.run({ kind, target, owner: call.caller.owner }, async () => {
    await sleep(world.locks.holdMs);
    const role = world.state.roles.get(name);
    if (role === undefined) throw notFound('role not found');
    return work(role);
  });
}

function assertContext(state: State, role: Role, contextValue: string): void {
  if (contextValue === '' && role.contextType !== 'global') {
    throw badRequest(`Global context value is not valid for role with context type ${role.contextType}`);
  }
  if (role.contextType === 'app' && !state.apps.has(contextValue)) throw badRequest('App not found');
  if (role.contextType === 'team' && !state.teams.includes(contextValue)) throw badRequest('team not found');
  if (role.contextType === 'pool' && !state.pools.has(contextValue)) throw badRequest('Pool does not exist.');
}

/** Nobody hands out what they do not have. */
function assertMayUse({ caller }: Call, role: Role, contextValue: string): void {
  for (const permission of rolePermissions(role, contextValue)) {
    if (!permits(caller.permissions, permission.name, [permission.context])) {
      throw forbidden(`User not authorized to use permission ${permissionText(permission)}`);
    }
  }
}

function changeGrants(state: State, tokenId: string, change: (grants: readonly Grant[]) => readonly Grant[]): Answer {
  const token = state.tokens.get(tokenId);
  if (token === undefined) return { status: 404, body: '' };
  token.grants = change(token.grants);
  return OK;
}

function isGrant(grant: Grant, role: Role, value: string): boolean {
  return grant.role === role.name && grant.contextValue === value;
}
