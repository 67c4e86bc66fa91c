// The JSON of apps and units, key by key as recorded.
import type { App, State } from './state.ts';
import type { Unit } from './units.ts';

/** Why the units of an app are not known; undefined: they are. */
type UnitsError = string | undefined;

const NODE_ADDRESS = '127.0.0.1';
const ROUTER = { name: 'fake', opts: {} };

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
    ip: appHost(app.name),
    routers: [{ ...ROUTER, address: appHost(app.name), addresses: null, type: '' }],
    tags: app.tags,
    ...(unitsError === undefined ? {} : { error: `unable to list app units: ${unitsError}` }),
    ...(extended && app.description !== '' ? { description: app.description } : {}),
    metadata: extended ? app.metadata : { labels: null, annotations: null },
  };
}

export function appJson(app: App, unitsError: UnitsError): Record<string, unknown> {
  const address = appHost(app.name);
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
    routers: [{ ...ROUTER, address, addresses: [address], type: 'fake', status: 'ready' }],
    serviceInstanceBinds: [],
    ...(processes.length === 0 ? {} : { processes }),
    ip: address,
    router: ROUTER.name,
    routeropts: {},
    ...(unitsError === undefined
      ? { quota: { limit: -1, inuse: app.units.size } }
      : { error: `unable to list app units: ${unitsError}\nunable to get app quota: ${unitsError}` }),
  };
}

export function appHost(app: string): string {
  return `${app}.fakerouter.com`;
}

export function poolJson(state: State, name: string): Record<string, unknown> | undefined {
  const pool = state.pools.get(name);
  if (pool === undefined) return undefined;
  return {
    Name: pool.name,
    Default: pool.isDefault,
    Provisioner: pool.provisioner,
    Labels: {},
    public: pool.isPublic,
    teams: state.teams,
    allowed: {
      plan: [...state.plans.keys()],
      router: [ROUTER.name],
      service: [],
      team: state.teams,
      'volume-plan': [],
    },
  };
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
