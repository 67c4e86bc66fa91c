// Who may do what. A permission's name is a path ("app" covers "app.read" covers "app.read.info", "" covers all), and it
// holds in a context: everywhere ("global") or for one app, team or pool.

export interface Context {
  readonly type: string;
  readonly value: string;
}

export interface Permission {
  readonly name: string;
  readonly context: Context;
}

export interface Role {
  readonly name: string;
  readonly contextType: string;
  readonly description: string;
  /** Names of permissions, sorted. */
  readonly permissions: readonly string[];
}

/** A role on a user or a token. */
export interface Grant {
  readonly role: string;
  readonly contextValue: string;
}

const GLOBAL: Context = { type: 'global', value: '' };

/** The permissions of grants, role by role; a role that is gone grants nothing. */
export function permissionsOf(grants: readonly Grant[], roles: ReadonlyMap<string, Role>): Permission[] {
  return grants.flatMap(({ role, contextValue }) => {
    const found = roles.get(role);
    return found === undefined ? [] : rolePermissions(found, contextValue);
  });
}

/** What a role permits when it is granted for a value (an app's name, a team's, ...). */
export function rolePermissions(role: Role, contextValue: string): Permission[] {
  const context = role.contextType === 'global' ? GLOBAL : { type: role.contextType, value: contextValue };
  return role.permissions.map((name) => ({ name, context }));
}

/** Is `wanted` permitted in one of the contexts? A global permission counts everywhere. */
export function permits(held: readonly Permission[], wanted: string, contexts: readonly Context[]): boolean {
  return held.some(
    ({ name, context }) =>
      covers(name, wanted) &&
      (context.type === 'global' ||
        contexts.some(({ type, value }) => type === context.type && value === context.value)),
  );
}

/** A permission as Tsuru writes it: "app.read.info(app my-app)", "(global)". */
export function permissionText({ name, context }: Permission): string {
  return `${name}(${context.type}${context.value === '' ? '' : ` ${context.value}`})`;
}

export function covers(held: string, wanted: string): boolean {
  return held === '' || wanted === held || wanted.startsWith(`${held}.`);
}
