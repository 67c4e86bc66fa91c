import { notFound } from './errors.ts';
import type { Target } from './events.ts';
import type { Context } from './permissions.ts';
import type { State } from './state.ts';

/** How the bodies of requests to a broker are written. */
export type Encoding = 'form' | 'json';

export const ENCODINGS: readonly Encoding[] = ['form', 'json'];

/** A service, and where its broker is. */
export interface Service {
  readonly name: string;
  endpoint: string;
  username: string;
  password: string;
  encoding: Encoding;
  ownerTeams: readonly string[];
  /** Who may use it, when it is restricted. */
  teams: readonly string[];
  readonly isRestricted: boolean;
  /** Its instances have a pool, which the broker is reported in headers. */
  readonly isMultiCluster: boolean;
  doc: string;
}

export interface Instance {
  readonly name: string;
  readonly service: string;
  /** '' unless the service is multi-cluster. */
  readonly pool: string;
  plan: string;
  teamOwner: string;
  teams: readonly string[];
  description: string;
  tags: readonly string[];
  parameters: Readonly<Record<string, unknown>>;
  apps: readonly string[];
  jobs: readonly string[];
}

/** What a test says of a service; the rest is as `tsuru service create` makes it. */
export interface ServiceOptions {
  readonly name: string;
  /** The broker's URL. */
  readonly endpoint: string;
  readonly username: string;
  readonly password: string;
  readonly team?: string;
  readonly encoding?: Encoding;
  readonly isMultiCluster?: boolean;
  /** Only these teams see and use it. */
  readonly restrictedTo?: readonly string[];
  readonly doc?: string;
}

export function newService({ team = 'ops', restrictedTo, ...options }: ServiceOptions): Service {
  return {
    encoding: 'form',
    isMultiCluster: false,
    doc: '',
    ...options,
    ownerTeams: [team],
    teams: restrictedTo ?? [],
    isRestricted: restrictedTo !== undefined,
  };
}

export function findService({ services }: State, name: string): Service {
  const service = services.get(name);
  if (service === undefined) throw notFound('Service not found');
  return service;
}

/** The key of an instance among all, and its value in events and permissions. */
export function instanceKey(service: string, instance: string): string {
  return `${service}/${instance}`;
}

export function findInstance({ instances }: State, service: string, name: string): Instance {
  const instance = instances.get(instanceKey(service, name));
  if (instance === undefined) throw notFound('service instance not found');
  return instance;
}

export function instanceTarget(service: string, instance: string): Target {
  return { type: 'service-instance', value: instanceKey(service, instance) };
}

export function instanceContexts({ service, name, teams }: Instance): Context[] {
  return [...teamContexts(teams), { type: 'service-instance', value: instanceKey(service, name) }];
}

/** For those who use a service. */
export function serviceContexts({ name, teams }: Service): Context[] {
  return [...teamContexts(teams), { type: 'service', value: name }];
}

/** For those who offer a service. */
export function ownerContexts({ name, ownerTeams }: Service): Context[] {
  return [...teamContexts(ownerTeams), { type: 'service', value: name }];
}

function teamContexts(teams: readonly string[]): Context[] {
  return teams.map((value) => ({ type: 'team', value }));
}
