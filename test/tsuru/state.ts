import type { Image } from './images.ts';
import type { Grant, Role } from './permissions.ts';
import { seedPlans, type Plan } from './plans.ts';
import type { LivingUnit } from './units.ts';

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

export interface Pool {
  readonly name: string;
  readonly isDefault: boolean;
  readonly isPublic: boolean;
  readonly provisioner: string;
}

/** All that the local Tsuru knows; the routes change it. */
export interface State {
  readonly apps: Map<string, App>;
  readonly roles: Map<string, Role>;
  readonly tokens: Map<string, Token>;
  readonly users: readonly User[];
  readonly teams: readonly string[];
  readonly pools: ReadonlyMap<string, Pool>;
  readonly plans: ReadonlyMap<string, Plan>;
  /** The last number given to a unit of an app of this name: names of units are unique for ever. */
  readonly unitNumbers: Map<string, number>;
}

const ADMIN_EMAIL = 'admin@example.com';

/** What the recording started from. */
export function seedState(adminToken: string): State {
  return {
    apps: new Map(),
    roles: new Map([['AllowAll', { name: 'AllowAll', contextType: 'global', description: '', permissions: [''] }]]),
    tokens: new Map(),
    users: [{ email: ADMIN_EMAIL, secret: adminToken, grants: [{ role: 'AllowAll', contextValue: '' }] }],
    teams: ['ops', 'shop'],
    pools: new Map([['dev', { name: 'dev', isDefault: true, isPublic: true, provisioner: 'kubernetes' }]]),
    plans: seedPlans(),
    unitNumbers: new Map(),
  };
}
