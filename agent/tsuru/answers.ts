import type { Permission } from '../shared/permissions.ts';
import type { Annotations, App, AppDetails, Port, Unit } from '../discovery/known-apps.ts';
import {
  asArray,
  asObject,
  asOptionalArray,
  asOptionalText,
  isObject,
  ShapeError,
  type JsonObject,
} from '../shared/shape.ts';
import { compareText, errorText } from '../shared/text.ts';
import { unitsError } from './app-error.ts';
import { annotationsOf, readMetadata, readPairs, type Pair } from './metadata.ts';
import { inOrder, readAll } from './order.ts';

/** What a list of apps says of one app. Unknown units are never an empty list. */
export interface ListedApp {
  readonly app: App;
  readonly units:
    { readonly kind: 'known'; readonly units: readonly Unit[] } | { readonly kind: 'unknown'; readonly reason: string };
  /** Where its users find it: its first name of their own, else that of its router. '' for none, undefined when its entry cannot be read. */
  readonly address: string | undefined;
}

/** A list of apps as Tsuru answers it: by name, with what of it could not be read. */
export interface AppList {
  readonly apps: ReadonlyMap<string, ListedApp>;
  readonly problems: readonly string[];
}

/**
 * Reads the answer to `GET /1.0/apps?extended=true`. One app that cannot be read is an app with unknown units, and costs no other. Tsuru
 * sorts nothing: the same apps in any order give the same result.
 * @throws {ShapeError} when it is no list at all.
 */
export function readAppList(body: unknown): AppList {
  const byName = new Map<string, ListedApp[]>();
  const problems: string[] = [];
  for (const raw of asArray(body, 'the list of apps')) {
    const name = isObject(raw) ? raw['name'] : undefined;
    if (!isObject(raw) || typeof name !== 'string' || name === '') {
      problems.push("an entry of Tsuru's list of apps has no name");
    } else {
      byName.set(name, [...(byName.get(name) ?? []), readListedApp(name, raw)]);
    }
  }
  const apps = new Map<string, ListedApp>();
  for (const [name, listed] of [...byName].sort(([a], [b]) => compareText(a, b))) {
    const [counts] = listed.length === 1 ? listed : listed.sort(compareListed);
    if (counts !== undefined) apps.set(name, counts);
    if (listed.length > 1)
      problems.push(`Tsuru's list of apps has ${name} ${listed.length} times; one with known units counts`);
  }
  return { apps, problems };
}

/** Of several entries of one app, one with known units goes first; which one of several depends on their text only. */
function compareListed(a: ListedApp, b: ListedApp): number {
  return compareText(a.units.kind, b.units.kind) || compareText(JSON.stringify(a), JSON.stringify(b));
}

function readListedApp(name: string, raw: JsonObject): ListedApp {
  const bare: App = { name, pool: '', team: '', annotations: {}, labels: {} };
  try {
    const metadata = readMetadata(raw['metadata']);
    const app: App = {
      ...bare,
      pool: asOptionalText(raw['pool'], 'pool'),
      team: asOptionalText(raw['teamowner'], 'teamowner'),
      ...metadata,
    };
    const address = readAddress(raw);
    const error = unitsError(raw['error']);
    if (error !== undefined) {
      return { app, address, units: { kind: 'unknown', reason: `Tsuru says: ${error.quote}` } };
    }
    return { app, address, units: { kind: 'known', units: readUnits(asArray(raw['units'], 'units')) } };
  } catch (error) {
    return {
      app: bare,
      address: undefined,
      units: { kind: 'unknown', reason: `Tsuru's answer about it cannot be read: ${errorText(error)}` },
    };
  }
}

/** An app's first name of its own in order, else the address of its first router that has one, else what Tsuru calls its address. */
function readAddress(raw: JsonObject): string {
  const names = [...asOptionalArray(raw['cname'], 'cname')].sort((a, b) => compareText(String(a), String(b)));
  const routers = inOrder(asOptionalArray(raw['routers'], 'routers'))
    .filter(isObject)
    .sort((a, b) => compareText(String(a['name']), String(b['name'])));
  const all = [...names, ...routers.map(({ address }) => address), raw['ip']];
  return all.find((address): address is string => typeof address === 'string' && address !== '') ?? '';
}

/** Sorted by id, so that everything derived from them has that order. */
function readUnits(raw: readonly unknown[]): readonly Unit[] {
  return readAll(raw, readUnit).sort(
    (a, b) => compareText(a.id, b.id) || compareText(JSON.stringify(a), JSON.stringify(b)),
  );
}

function readUnit(raw: unknown, index: number): Unit {
  const where = `units[${index}]`;
  const unit = asObject(raw, where);
  const text = (key: string): string => asOptionalText(unit[key], `${where}.${key}`);
  const id = text('ID');
  return {
    id,
    name: text('Name') || id,
    process: text('ProcessName'),
    status: text('Status'),
    version: readVersion(unit['Version'], where),
    internalIp: text('InternalIP'),
    hostPort: readHostPort(unit, where),
  };
}

/** A version is a number; one that is not set is 0 with Kubernetes and missing with old provisioners. */
function readVersion(value: unknown, where: string): string {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  return asOptionalText(value, `${where}.Version`);
}

/** Old provisioners fill Address.Host (`ip:port`), or HostAddr and HostPort. */
function readHostPort(unit: JsonObject, where: string): string {
  const address = unit['Address'];
  if (address !== undefined && address !== null) {
    const host = asOptionalText(asObject(address, `${where}.Address`)['Host'], `${where}.Address.Host`);
    if (host !== '') return host;
  }
  const host = asOptionalText(unit['HostAddr'], `${where}.HostAddr`);
  const port = unit['HostPort'];
  const portText = typeof port === 'number' ? String(port) : asOptionalText(port, `${where}.HostPort`);
  if (host === '' || portText === '') return '';
  return host.includes(':') ? `[${host}]:${portText}` : `${host}:${portText}`;
}

/**
 * Reads the answer to `GET /1.0/apps/A`. Where it has no ports, and says that something went wrong with units or addresses, the ports are
 * unknown and not none. What it says of other things (a cluster without metrics says so each time) is no problem, nor is an app without a
 * deploy.
 * @throws {ShapeError} when it cannot be read, is about another app, or the ports are unknown.
 */
export function readAppDetails(body: unknown, name: string): AppDetails {
  const raw = asObject(body, 'the app');
  if (raw['name'] !== name) throw new ShapeError(`it is not about ${name}`);
  const addresses = asOptionalArray(raw['internalAddresses'], 'internalAddresses');
  const error = addresses.length === 0 ? unitsError(raw['error']) : undefined;
  if (error !== undefined && (error.subject === 'units' ? !isUndeployed(raw) : hasUnits(raw))) {
    throw new ShapeError(`it has no ports, and an error: ${error.quote}`);
  }
  return {
    platform: asOptionalText(raw['platform'], 'platform'),
    ports: readAll(addresses, readPort).sort(comparePorts),
    processes: readProcesses(asOptionalArray(raw['processes'], 'processes')),
  };
}

function isUndeployed(raw: JsonObject): boolean {
  return raw['deploys'] === 0 && !hasUnits(raw);
}

function hasUnits({ units }: JsonObject): boolean {
  return Array.isArray(units) && units.length > 0;
}

function readPort(raw: unknown, index: number): Port {
  const where = `internalAddresses[${index}]`;
  const address = asObject(raw, where);
  const targetPort = address['TargetPort'];
  if (typeof targetPort !== 'number') throw new ShapeError(`${where}.TargetPort is no number`);
  return {
    process: asOptionalText(address['Process'], `${where}.Process`),
    protocol: asOptionalText(address['Protocol'], `${where}.Protocol`),
    targetPort,
    version: asOptionalText(address['Version'], `${where}.Version`),
  };
}

function comparePorts(a: Port, b: Port): number {
  return (
    compareText(a.process, b.process) ||
    compareText(a.version, b.version) ||
    compareText(a.protocol, b.protocol) ||
    a.targetPort - b.targetPort
  );
}

/** The annotations of each process; a process that is listed twice has those of both. */
function readProcesses(raw: readonly unknown[]): Readonly<Record<string, Annotations>> {
  const pairs = new Map<string, Pair[]>();
  for (const { process, annotations } of readAll(raw, readProcess))
    pairs.set(process, [...(pairs.get(process) ?? []), ...annotations]);
  return Object.fromEntries(
    [...pairs].sort(([a], [b]) => compareText(a, b)).map(([process, all]) => [process, annotationsOf(all)]),
  );
}

function readProcess(raw: unknown, index: number): { process: string; annotations: readonly Pair[] } {
  const process = asObject(raw, `processes[${index}]`);
  const { annotations } = readPairs(process['metadata']);
  return { process: asOptionalText(process['name'], `processes[${index}].name`), annotations };
}

/**
 * Whether permissions may let a token read an app. Only what surely does not is a no: a permission in a context that is wider than an app
 * may cover any app.
 */
export function mayRead(permissions: readonly Permission[], app: string): boolean {
  return permissions.some(
    ({ name, contextType, contextValue }) =>
      (name === '' || 'app.read.info.'.startsWith(`${name}.`)) && (contextType !== 'app' || contextValue === app),
  );
}
