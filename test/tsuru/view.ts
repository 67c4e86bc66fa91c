// The JSON of apps and units, key by key as recorded.
import type { App, State } from './state.ts';
import type { Unit } from './units.ts';
import { volumeBindsJson } from './volumes.ts';

/** Why the units of an app are not known; undefined: they are. */
type UnitsError = string | undefined;

const NODE_ADDRESS = '127.0.0.1';

function unitJson(unit: Unit): Record<string, unknown> {
  const hasAddress = unit.host !== '';
  return {
    ID: unit.name,
    Name: unit.name,
    AppName: unit.app,
    ProcessName: unit.process,
    Type: '',
    InternalIP: unit.host,
    Status: unit.status,
    StatusReason: unit.reason,
    Address: hasAddress ? urlJson(unit) : null,
    Addresses: null,
    Version: unit.version,
    Routable: unit.routable,
    Restarts: unit.restarts,
    CreatedAt: unit.createdAt.toISOString(),
    Ready: unit.ready,
    HostAddr: unit.host,
    HostPort: hasAddress ? String(unit.port) : '',
    IP: hasAddress ? NODE_ADDRESS : '',
    ...unit.overrides,
  };
}

/** An app in a list. Descriptions and metadata come only with `extended=true`. */
export function listedAppJson(app: App, extended: boolean, unitsError: UnitsError): Record<string, unknown> {
  return {
    name: app.name,
    pool: app.pool,
    teamowner: app.teamOwner,
    plan: app.plan,
    units: unitsError === undefined ? unitsJson(app) : [],
    cname: [],
    ip: appHosts(app)[0] ?? '',
    routers: appHosts(app).map((address) => ({ name: app.router, opts: {}, address, addresses: null, type: '' })),
    tags: app.tags,
    ...(unitsError === undefined ? {} : { error: `unable to list app units: ${unitsError}` }),
    ...(extended && app.description !== '' ? { description: app.description } : {}),
    metadata: extended ? app.metadata : { labels: null, annotations: null },
  };
}

export function appJson(state: State, app: App, unitsError: UnitsError): Record<string, unknown> {
  const volumeBinds = volumeBindsJson(state, app.name);
  const cluster = state.pools.get(app.pool)?.cluster;
  const processes = [...app.processes].map(([name, { plan, metadata }]) => ({
    name,
    ...(plan === '' ? {} : { plan }),
    metadata,
  }));
  return {
    name: app.name,
    platform: '',
    teams: [app.teamOwner],
    plan: app.plan,
    cname: [],
    owner: app.owner,
    pool: app.pool,
    description: app.description,
    deploys: app.deploys,
    teamowner: app.teamOwner,
    tags: app.tags,
    metadata: app.metadata,
    units: unitsError === undefined ? unitsJson(app) : [],
    ...(app.internalAddresses.length === 0 ? {} : { internalAddresses: app.internalAddresses }),
    provisioner: 'kubernetes',
    ...(cluster === undefined ? {} : { cluster: cluster.name }),
    routers: appHosts(app).map((address) => ({
      ...{ name: app.router, opts: {}, address, addresses: [address], type: app.router, status: 'ready' },
    })),
    serviceInstanceBinds: [...state.instances.values()]
      .filter(({ apps }) => apps.includes(app.name))
      .map(({ service, name, plan }) => ({ service, instance: name, plan })),
    ...(volumeBinds.length === 0 ? {} : { volumeBinds }),
    ...(processes.length === 0 ? {} : { processes }),
    ip: appHosts(app)[0] ?? '',
    router: app.router,
    routeropts: {},
    ...(unitsError === undefined
      ? { quota: { limit: -1, inuse: app.units.size } }
      : { error: `unable to list app units: ${unitsError}\nunable to get app quota: ${unitsError}` }),
  };
}

/** What the router calls an app; none without a router. */
export function appHosts({ name, router }: App): string[] {
  return router === 'none' ? [] : [`${name}.fakerouter.com`];
}

function unitsJson(app: App): Record<string, unknown>[] {
  return [...app.units].map(({ unit }) => unitJson(unit));
}

function urlJson({ host, port }: Unit): Record<string, unknown> {
  return {
    Scheme: 'http',
    Opaque: '',
    User: null,
    Host: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    Path: '',
    Fragment: '',
    RawQuery: '',
    RawPath: '',
    RawFragment: '',
    ForceQuery: false,
    OmitHost: false,
  };
}
