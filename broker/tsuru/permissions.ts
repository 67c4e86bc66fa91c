/**
 * The permissions that the broker's calls need, by the call's name in metrics and logs. Each is needed for all apps and teams (context global).
 * Read in Tsuru's sources. A call that is not here needs nothing but a valid token.
 */
export const PERMISSIONS: Readonly<Record<string, readonly string[]>> = {
  app: ['app.read'],
  apps: ['app.read'],
  app_teams: ['app.read'],
  app_create: ['app.create'],
  app_update: ['app.update'],
  app_restart: ['app.update.restart'],
  app_remove: ['app.delete'],
  env: ['app.read.env'],
  env_set: ['app.update.env.set'],
  deploy: ['app.deploy'],
  events: ['app.read.events'],
  volume: ['volume.read'],
  volumes: ['volume.read'],
  volume_plans: ['volume.create'],
  volume_create: ['volume.create'],
  volume_update: ['volume.update'],
  volume_bind: ['volume.update.bind', 'app.update.bind-volume'],
  volume_unbind: ['volume.update.unbind', 'app.update.unbind-volume'],
  volume_remove: ['volume.delete'],
  token: ['team.token.read'],
  tokens: ['team.token.read'],
  token_create: ['team.token.create'],
  token_regenerate: ['team.token.update'],
  token_remove: ['team.token.delete'],
  role_create: ['role.create'],
  role_permission: ['role.update.permission.add'],
  // Tsuru lets a caller grant only roles whose permissions the caller has.
  role_assign: ['role.update.assign', 'app.read.info'],
  role_dissociate: ['role.update.dissociate'],
  plans: [],
  pools: ['pool.read'],
  service_plans: ['service.read.plans'],
  instance: ['service-instance.read'],
  instances: ['service-instance.read', 'service.read'],
};

/** Calls that the broker makes only where no administrator has created the role of instances. */
export const OPTIONAL_CALLS: readonly string[] = ['role_create', 'role_permission'];

/** What the broker's role is given: each permission that a call needs, without those that another one of them covers. */
export function brokerPermissions(): readonly string[] {
  const needed = new Set(
    Object.entries(PERMISSIONS).flatMap(([call, permissions]) => (OPTIONAL_CALLS.includes(call) ? [] : permissions)),
  );
  return [...needed].filter((one) => ![...needed].some((other) => one.startsWith(`${other}.`))).sort();
}
