import { badRequest } from '../errors.ts';
import type { Answer, Call, Route } from '../http.ts';
import { child, children, field, flag, text, texts, type Tree } from '../input.ts';
import { changedMetadata, hasMetadata, NO_METADATA } from '../metadata.ts';
import { assertPlan, assertTeam, findPool } from '../pools.ts';
import type { App, ProcessSettings } from '../state.ts';
import { changeApp, assertOnApp, findApp, restart, type World } from '../world.ts';

/** The plan of a process that has none of its own. */
const APP_PLAN = '$default';

/** What an update sets, and the permission that each takes. */
const PERMISSIONS = [
  { field: 'description', permission: 'app.update.description' },
  { field: 'tags', permission: 'app.update.tags' },
  { field: 'tag', permission: 'app.update.tags' },
  { field: 'plan', permission: 'app.update.plan' },
  { field: 'pool', permission: 'app.update.pool' },
  { field: 'teamOwner', permission: 'app.update.teamowner' },
  { field: 'metadata', permission: 'app.update.metadata' },
  { field: 'processes', permission: 'app.update.processes' },
] as const;

export function appUpdateRoutes(world: World): Route[] {
  return [{ method: 'PUT', path: '/apps/:app', answer: (call) => updateApp(world, call) }];
}

function updateApp(world: World, call: Call): Answer {
  const app = findApp(world, call);
  const { tree } = call.body;
  const set = PERMISSIONS.filter(({ field: name }) => isSet(tree, name));
  if (set.length === 0) {
    throw badRequest(
      'Neither the description, tags, plan, pool, team owner or platform were set. You must define at least one.',
    );
  }
  const noRestart = flag(tree, 'noRestart');
  if (noRestart && isSet(tree, 'pool')) throw badRequest('You must restart the app when changing the pool.');
  for (const { permission } of set) assertOnApp(call, permission, app);
  // As in Tsuru: read before the lock is waited for, and written whole after it. Two updates at once lose one.
  const updated = update(world, app, tree);
  return changeApp(world, call, 'app.update', app, async (say) => {
    Object.assign(app, updated);
    const needsRestart = set.some(({ field: name }) => ['plan', 'pool', 'metadata', 'processes'].includes(name));
    if (needsRestart && !noRestart && app.units.size > 0) await restart(world, app, say);
  });
}

/** The real client also sends what is empty. */
function isSet(tree: Tree, name: string): boolean {
  if (name === 'metadata') return hasMetadata(child(tree, name));
  if (name === 'processes') return children(tree, name).length > 0;
  return texts(tree, name).some((value) => value !== '');
}

type Update = Pick<App, 'description' | 'tags' | 'plan' | 'pool' | 'teamOwner' | 'metadata' | 'processes'>;

function update({ state }: World, app: App, tree: Tree): Update {
  const plan = isSet(tree, 'plan') ? state.plans.get(text(tree, 'plan')) : app.plan;
  if (plan === undefined) throw badRequest('plan not found');
  const pool = findPool(state, text(tree, 'pool') || app.pool, 400);
  const teamOwner = text(tree, 'teamOwner') || app.teamOwner;
  if (!state.teams.includes(teamOwner)) throw badRequest('team not found');
  assertTeam(state, pool, teamOwner);
  assertPlan(state, pool, plan.name);
  const tags = [...texts(tree, 'tags'), ...texts(tree, 'tag')];
  return {
    description: text(tree, 'description') || app.description,
    // One empty tag removes all.
    tags: field(tree, 'tags') === undefined && tags.length === 0 ? app.tags : tags.filter((tag) => tag !== ''),
    plan,
    pool: pool.name,
    teamOwner,
    metadata: changedMetadata(app.metadata, child(tree, 'metadata')),
    processes: changedProcesses(app.processes, children(tree, 'processes')),
  };
}

/** Processes are merged by name; one that has nothing set any more is not kept. */
function changedProcesses(old: App['processes'], changes: readonly Tree[]): Map<string, ProcessSettings> {
  const processes = new Map(old);
  for (const change of changes) {
    const name = text(change, 'name');
    if (name === '') throw badRequest('process name is required');
    const before = processes.get(name) ?? { plan: '', metadata: NO_METADATA };
    const plan = text(change, 'plan') || before.plan;
    const metadata = changedMetadata(before.metadata, child(change, 'metadata'));
    const isEmpty = [...metadata.annotations, ...metadata.labels].length === 0;
    if (isEmpty && (plan === '' || plan === APP_PLAN)) processes.delete(name);
    else processes.set(name, { plan: plan === APP_PLAN ? '' : plan, metadata });
  }
  return processes;
}
