import { badRequest, TsuruError } from './errors.ts';
import { goQuote } from './go.ts';
import type { Router, State } from './state.ts';

/** A Kubernetes cluster, as far as a broker is told of it. */
interface Cluster {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Its credentials: only a cluster that propagates them has them here. */
  readonly kubeConfig?: string;
}

/** What a pool's constraints are about. */
type Constrained = 'plan' | 'router' | 'service' | 'team' | 'volume-plan';

export interface Pool {
  readonly name: string;
  readonly isDefault: boolean;
  readonly isPublic: boolean;
  readonly provisioner: string;
  /** What may be used in the pool; of what is not here, everything. */
  readonly allowed?: Partial<Readonly<Record<Constrained, readonly string[]>>>;
  /** The recorded pool had none. */
  readonly cluster?: Cluster;
}

/** The router of every app that has one. */
export const ROUTER: Router = 'fake';

/** The recording's. */
export const DEFAULT_POOLS: readonly Pool[] = [
  { name: 'dev', isDefault: true, isPublic: true, provisioner: 'kubernetes' },
];

/** What may be used in a pool, of what there is. */
export function allowedIn(state: State, { allowed = {} }: Pool): Record<Constrained, readonly string[]> {
  const among = (kind: Constrained, all: Iterable<string>): string[] =>
    [...all].filter((name) => allowed[kind]?.includes(name) ?? true).sort();
  return {
    plan: among('plan', state.plans.keys()),
    router: among('router', [ROUTER]),
    service: among('service', state.services.keys()),
    team: among('team', state.teams),
    'volume-plan': among('volume-plan', state.volumePlans.keys()),
  };
}

export function poolJson(state: State, pool: Pool): Record<string, unknown> {
  const allowed = allowedIn(state, pool);
  return {
    Name: pool.name,
    Default: pool.isDefault,
    Provisioner: pool.provisioner,
    Labels: {},
    public: pool.isPublic,
    teams: allowed.team,
    allowed,
  };
}

/** `status` is what Tsuru answers when there is no such pool: it differs from call to call. */
export function findPool({ pools }: State, name: string, status = 500): Pool {
  const pool = pools.get(name);
  if (pool === undefined) throw new TsuruError('Pool does not exist.', status);
  return pool;
}

/** The pool of an app for which none is named: the one that is its team's, or the default (tsuru's sources, app.getPoolForApp). */
export function usualPool({ pools }: State, team: string): string {
  const all = [...pools.values()];
  const own = all.filter(({ allowed }) => allowed?.team?.includes(team) === true);
  if (own.length <= 1) return (own[0] ?? all.find(({ isDefault }) => isDefault))?.name ?? '';
  const names = [...own, ...all.filter(({ isPublic }) => isPublic)].map(({ name }) => goQuote(name));
  throw new TsuruError(`you have access to ${names.join(',')} pools. Please choose one in app creation`);
}

export function assertTeam(state: State, pool: Pool, team: string): void {
  if (!allowedIn(state, pool).team.includes(team)) {
    throw badRequest(`App team owner ${goQuote(team)} has no access to pool ${goQuote(pool.name)}`);
  }
}

export function assertPlan(state: State, pool: Pool, plan: string): void {
  if (!allowedIn(state, pool).plan.includes(plan)) {
    throw badRequest(`App plan ${goQuote(plan)} is not allowed on pool ${goQuote(pool.name)}`);
  }
}

export function assertRouter(state: State, pool: Pool, router: string): void {
  const { router: routers } = allowedIn(state, pool);
  if (routers.length === 0) throw new TsuruError('no router found for pool');
  if (!routers.includes(router)) {
    const available = goQuote(routers.join(', '));
    const where = `router ${goQuote(router)} is not available for pool ${goQuote(pool.name)}.`;
    throw badRequest(`${where} Available routers are: ${available}`);
  }
}

export function assertService(state: State, pool: Pool, service: string): void {
  const { service: services } = allowedIn(state, pool);
  if (services.length === 0) throw badRequest('no service found for pool');
  if (!services.includes(service)) {
    const available = goQuote(services.join(', '));
    const where = `service ${goQuote(service)} is not available for pool ${goQuote(pool.name)}.`;
    throw badRequest(`${where} Available services are: ${available}`);
  }
}

export function assertVolumePlan(state: State, pool: Pool, plan: string): void {
  const { 'volume-plan': plans } = allowedIn(state, pool);
  if (plans.length === 0) throw badRequest('no volume-plan found for pool');
  if (!plans.includes(plan)) throw badRequest('volume-plan not present in pool constraint');
}
