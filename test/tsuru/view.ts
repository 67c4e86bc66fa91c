// The JSON of apps and units, key by key as recorded.
import type { App, State, UnitsLike } from './state.ts';
import type { Unit } from './units.ts';
import { volumeBindsJson } from './volumes.ts';

/** Why the units of an app are not known; undefined: they are. */
type UnitsError = string | undefined;

/** Of a node, where no unit listens: an address that is nobody's (RFC 5737), and that of the recording. */
const NODE_ADDRESS: Readonly<Record<UnitsLike, string>> = { pods: '192.0.2.10', recorded: '127.0.0.1' };
/** What a cluster without a metrics API has Tsuru say each time. */
const NO_METRICS =
  'unable to get units metrics: the server could not find the requested resource (get pods.metrics.k8s.io)';

function unitJson(unit: Unit, like: UnitsLike): Record<string, unknown> {
  const hasAddress = unit.host !== '';
  const tellsAddress = hasAddress && like === 'recorded';
  return {
    ID: unit.name,
    Name: unit.name,
    AppName: unit.app,
    ProcessName: unit.process,
    Type: '',
    InternalIP: unit.host,
    Status: unit.status,
    StatusReason: unit.reason,
    Address: tellsAddress ? urlJson(unit) : null,
    Addresses: null,
    Version: unit.version,
    Routable: unit.routable,
    Restarts: unit.restarts,
    CreatedAt: unit.createdAt.toISOString(),
    Ready: unit.ready,
    HostAddr: tellsAddress ? unit.host : '',
    HostPort: tellsAddress ? String(unit.port) : '',
    IP: hasAddress ? NODE_ADDRESS[like] : '',
    ...unit.overrides,
  };
}

/** An app in a list. Descriptions and metadata come only with `extended=true`. */
export function listedAppJson(
  { units: like }: State,
  app: App,
  extended: boolean,
  unitsError: UnitsError,
): Record<string, unknown> {
  const hosts = appHosts(app, like);
  return {
    name: app.name,
    pool: app.pool,
    teamowner: app.teamOwner,
    plan: app.plan,
    units: unitsError === undefined ? unitsJson(app, like) : [],
    cname: [],
    ip: hosts[0] ?? '',
    routers: hosts.map((address) => ({ name: app.router, opts: {}, address, addresses: null, type: '' })),
    tags: app.tags,
    ...(unitsError === undefined ? {} : { error: `unable to list app units: ${unitsError}` }),
    ...(extended && app.description !== '' ? { description: app.description } : {}),
    metadata: extended ? app.metadata : { labels: null, annotations: null },
  };
}

export function appJson(state: State, app: App, unitsError: UnitsError): Record<string, unknown> {
  const { units: like } = state;
  const volumeBinds = volumeBindsJson(state, app.name);
  const hosts = appHosts(app, like);
  const errors = [
    ...(unitsError === undefined
      ? []
      : [`unable to list app units: ${unitsError}`, `unable to get app quota: ${unitsError}`]),
    ...(like === 'pods' ? [NO_METRICS] : []),
  ];
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
    units: unitsError === undefined ? unitsJson(app, like) : [],
    ...(app.internalAddresses.length === 0 ? {} : { internalAddresses: app.internalAddresses }),
    provisioner: 'kubernetes',
    ...(cluster === undefined ? {} : { cluster: cluster.name }),
    routers: hosts.map((address) => ({
      ...{ name: app.router, opts: {}, address, addresses: [address], type: app.router, status: 'ready' },
    })),
    serviceInstanceBinds: [...state.instances.values()]
      .filter(({ apps }) => apps.includes(app.name))
      .map(({ service, name, plan }) => ({ service, instance: name, plan })),
    ...(volumeBinds.length === 0 ? {} : { volumeBinds }),
    ...(processes.length === 0 ? {} : { processes }),
    ip: hosts[0] ?? '',
    router: app.router,
    routeropts: {},
    ...(unitsError === undefined ? { quota: { limit: -1, inuse: app.units.size } } : {}),
    ...(errors.length === 0 ? {} : { error: errors.join('\n') }),
  };
}

/** What the router calls an app; none without a router. On Kubernetes it has a name once the first rollout has ended. */
export function appHosts({ name, router, deploys }: App, like: UnitsLike): string[] {
  if (router === 'none') return [];
  return [like === 'pods' && deploys === 0 ? '' : `${name}.fakerouter.com`];
}

function unitsJson(app: App, like: UnitsLike): Record<string, unknown>[] {
  return [...app.units].map(({ unit }) => unitJson(unit, like));
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
