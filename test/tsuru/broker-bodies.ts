// What Tsuru writes to a service's broker, as a form or as JSON. The two differ in their keys, and in what they leave out.
import { goJson, goQueryEscape } from './go.ts';
import type { Encoding, Instance } from './services.ts';

/** Who does something, and in which event. */
export interface Requester {
  readonly user: string;
  readonly eventId: string;
}

/** One body in both encodings; a key without values is left out of a form, an undefined one out of JSON. */
export interface BrokerBody {
  readonly form: Readonly<Record<string, readonly string[]>>;
  readonly json: Readonly<Record<string, unknown>>;
}

/** What a broker is told of an app that is bound. */
export interface BoundApp {
  readonly name: string;
  readonly hosts: readonly string[];
  /** As 'tcp://my-app-web.tsuru.svc.cluster.local:8888'. */
  readonly internalHosts: readonly string[];
  readonly pool: string;
  readonly provisioner: string;
  readonly cluster: { readonly name: string; readonly provisioner: string; readonly addresses: readonly string[] };
}

export interface BoundJob {
  readonly name: string;
  readonly pool: string;
  readonly cluster: string;
}

type Parameters = Readonly<Record<string, unknown>>;

export function encodedBody({ form, json }: BrokerBody, encoding: Encoding): { contentType: string; text: string } {
  return encoding === 'json'
    ? { contentType: 'application/json', text: goJson(json) }
    : { contentType: 'application/x-www-form-urlencoded', text: formText(form) };
}

export function createBody(instance: Instance, { user, eventId }: Requester): BrokerBody {
  const { name, teamOwner: team, description, plan, tags, parameters } = instance;
  return {
    form: {
      ...{ name: [name], team: [team], user: [user], eventid: [eventId], tags },
      ...{ plan: some(plan), description: some(description) },
      ...parameterFields(parameters),
    },
    json: {
      ...{ name, team, description: orNone(description), plan: orNone(plan), tags: orNone(tags) },
      ...{ eventID: eventId, user, parameters: parametersJson(parameters) },
    },
  };
}

/** The whole new state; a form has its description and plan even when they are empty. */
export function updateBody(instance: Instance, { user, eventId }: Requester): BrokerBody {
  const { teamOwner: team, description, plan, tags, parameters } = instance;
  return {
    form: {
      ...{ description: [description], team: [team], tags, plan: [plan], user: [user], eventid: [eventId] },
      ...parameterFields(parameters),
    },
    json: {
      ...{ description: orNone(description), team, plan: orNone(plan), tags: orNone(tags) },
      ...{ eventID: eventId, user, parameters: parametersJson(parameters) },
    },
  };
}

/** Of the removal of an instance, and of the unbind of a job. */
export function plainBody({ user, eventId }: Requester): BrokerBody {
  return { form: { user: [user], eventid: [eventId] }, json: { eventID: eventId, user } };
}

export function bindAppBody(app: BoundApp, parameters: Parameters, { user, eventId }: Requester): BrokerBody {
  const { cluster } = app;
  return {
    form: {
      ...{ 'app-name': [app.name], 'app-hosts': app.hosts, 'app-host': app.hosts.slice(0, 1) },
      ...{ 'app-internal-hosts': app.internalHosts, user: [user], eventid: [eventId] },
      ...{ 'app-pool-name': some(app.pool), 'app-pool-provisioner': some(app.provisioner) },
      ...{ 'app-cluster-name': some(cluster.name), 'app-cluster-provisioner': some(cluster.provisioner) },
      'app-cluster-addresses': cluster.addresses,
      ...parameterFields(parameters),
    },
    json: {
      ...{ appName: app.name, parameters: parametersJson(parameters), user, eventID: eventId },
      ...{ appHosts: orNone(app.hosts), appInternalHosts: orNone(app.internalHosts) },
      ...{ appPoolName: orNone(app.pool), appPoolProvisioner: orNone(app.provisioner) },
      ...{ appClusterName: orNone(cluster.name), appClusterProvisioner: orNone(cluster.provisioner) },
      appClusterAddresses: orNone(cluster.addresses),
    },
  };
}

export function unbindAppBody({ name, hosts }: BoundApp, { user, eventId }: Requester): BrokerBody {
  return {
    form: {
      ...{ 'app-hosts': hosts, 'app-host': hosts.slice(0, 1), 'app-name': [name] },
      ...{ user: [user], eventid: [eventId] },
    },
    json: { appHosts: hosts, appName: name, user, eventID: eventId },
  };
}

export function bindJobBody({ name, pool, cluster }: BoundJob, { user, eventId }: Requester): BrokerBody {
  return {
    form: {
      ...{ 'job-name': [name], user: [user], eventid: [eventId] },
      ...{ 'job-pool-name': some(pool), 'job-cluster-name': some(cluster) },
    },
    json: { jobName: name, user, eventID: eventId, jobPoolName: orNone(pool), jobClusterName: orNone(cluster) },
  };
}

/** Sorted by key, as Go encodes forms. */
function formText(form: BrokerBody['form']): string {
  return Object.entries(form)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, values]) => values.map((value) => `${goQueryEscape(key)}=${goQueryEscape(value)}`))
    .join('&');
}

function some(value: string): string[] {
  return value === '' ? [] : [value];
}

function orNone<T extends string | readonly string[]>(value: T): T | undefined {
  return value.length === 0 ? undefined : value;
}

function parametersJson(parameters: Parameters): Parameters | undefined {
  const entries = Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function parameterFields(parameters: Parameters): Record<string, string[]> {
  return Object.fromEntries(flattened('parameters', parameters).map(([key, value]) => [key, [value]]));
}

/** `{parameters: {a: {b: 1}}}` is `parameters.a.b=1`; a dot in a name is written `\.`. */
function flattened(path: string, value: unknown): [string, string][] {
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([name, item]) => flattened(`${path}.${name.replaceAll('.', '\\.')}`, item));
  }
  return [[path, scalarText(value)]];
}

function scalarText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
