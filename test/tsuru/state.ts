import type { EventBlock } from './event-blocks.ts';
import type { Image } from './images.ts';
import type { Grant, Role } from './permissions.ts';
import { seedPlans, type Plan } from './plans.ts';
import { DEFAULT_POOLS, type Pool } from './pools.ts';
import type { Instance, Service } from './services.ts';
import type { LivingUnit } from './units.ts';
import { DEFAULT_VOLUME_PLANS, type Volume, type VolumeOptions } from './volumes.ts';
import type { Webhook } from './webhooks.ts';

export interface Item {
  readonly name: string;
  readonly value: string;
}

export interface Metadata {
  readonly labels: readonly Item[];
  readonly annotations: readonly Item[];
}

export interface EnvVar {
  readonly name: string;
  readonly value: string;
  readonly public: boolean;
  readonly managedBy: string;
}

/** A variable that an instance's broker gave to a bound app. */
export interface ServiceVar {
  readonly service: string;
  readonly instance: string;
  readonly name: string;
  readonly value: string;
}

export interface InternalAddress {
  readonly Domain: string;
  readonly Protocol: string;
  readonly Port: number;
  readonly TargetPort: number;
  readonly Version: string;
  readonly Process: string;
}

/** One version of an app: an image that was deployed. */
export interface Version {
  readonly number: number;
  readonly image: Image;
}

/** What is set for one process of an app. */
export interface ProcessSettings {
  /** '': the app's. */
  readonly plan: string;
  readonly metadata: Metadata;
}

export interface LogLine {
  readonly date: Date;
  readonly message: string;
  readonly source: string;
  readonly unit: string;
}

/** 'none': the app has no address for the outside. */
export type Router = 'fake' | 'none';

export interface App {
  readonly name: string;
  readonly owner: string;
  teamOwner: string;
  pool: string;
  plan: Plan;
  description: string;
  tags: readonly string[];
  metadata: Metadata;
  /** What is set per process; a process without settings is not in it. */
  processes: ReadonlyMap<string, ProcessSettings>;
  readonly env: Map<string, EnvVar>;
  serviceEnv: readonly ServiceVar[];
  readonly router: Router;
  /** How many deploys succeeded. */
  deploys: number;
  /** Versions with units, the one that gets traffic first. */
  versions: readonly Version[];
  /** The number of the newest version, also of one whose deploy failed. */
  lastVersion: number;
  /** Units per process that the app should have; kept over deploys and stops. */
  readonly unitCounts: Map<string, number>;
  readonly units: Set<LivingUnit>;
  internalAddresses: readonly InternalAddress[];
}

export interface Token {
  readonly id: string;
  secret: string;
  description: string;
  readonly team: string;
  readonly creator: string;
  readonly createdAt: Date;
  /** Undefined: never. */
  expiresAt: Date | undefined;
  lastAccess: Date | undefined;
  grants: readonly Grant[];
}

export interface User {
  readonly email: string;
  readonly secret: string;
  readonly grants: readonly Grant[];
}

/** A job is no more than its name here: nothing runs. */
export interface Job {
  readonly name: string;
  readonly teamOwner: string;
  readonly pool: string;
}

/** All that the local Tsuru knows; the routes change it. */
export interface State {
  readonly units: UnitsLike;
  readonly apps: Map<string, App>;
  readonly roles: Map<string, Role>;
  readonly tokens: Map<string, Token>;
  readonly users: readonly User[];
  readonly teams: string[];
  readonly pools: ReadonlyMap<string, Pool>;
  readonly plans: ReadonlyMap<string, Plan>;
  readonly services: Map<string, Service>;
  /** By service and name: 'prometheus/my-instance'. */
  readonly instances: Map<string, Instance>;
  readonly jobs: Map<string, Job>;
  readonly volumes: Map<string, Volume>;
  readonly volumePlans: ReadonlyMap<string, VolumeOptions>;
  readonly webhooks: Map<string, Webhook>;
  readonly blocks: EventBlock[];
  /** The last number given to a unit of an app of this name: names of units are unique forever. */
  readonly unitNumbers: Map<string, number>;
}

const ADMIN_EMAIL = 'admin@example.com';

export const DEFAULT_TEAMS = ['ops', 'shop'];

/**
 * What units look like: as pods of Kubernetes, in a cluster without a metrics API, or as those of the recording, whose provisioner gave
 * each a loopback address and its app an address from the start.
 */
export type UnitsLike = 'pods' | 'recorded';

/** What is there from the start; without it, what the recording started from, but for the look of its units. */
export interface Seed {
  /** 'pods' without it. */
  readonly units?: UnitsLike;
  readonly teams?: readonly string[];
  readonly pools?: readonly Pool[];
  readonly volumePlans?: Readonly<Record<string, VolumeOptions>>;
}

export function seedState(adminToken: string, seed: Seed): State {
  return {
    units: seed.units ?? 'pods',
    apps: new Map(),
    roles: new Map([['AllowAll', { name: 'AllowAll', contextType: 'global', description: '', permissions: [''] }]]),
    tokens: new Map(),
    users: [{ email: ADMIN_EMAIL, secret: adminToken, grants: [{ role: 'AllowAll', contextValue: '' }] }],
    teams: [...(seed.teams ?? DEFAULT_TEAMS)],
    pools: new Map((seed.pools ?? DEFAULT_POOLS).map((pool) => [pool.name, pool])),
    plans: seedPlans(),
    services: new Map(),
    instances: new Map(),
    jobs: new Map(),
    volumes: new Map(),
    volumePlans: new Map(Object.entries(seed.volumePlans ?? DEFAULT_VOLUME_PLANS)),
    webhooks: new Map(),
    blocks: [],
    unitNumbers: new Map(),
  };
}
