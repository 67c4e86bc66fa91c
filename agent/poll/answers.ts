import type { Annotations, App, AppDetails, Port, Unit } from '../apps.ts';
import { asArray, asObject, asOptionalText, isObject, ShapeError, type JsonObject } from '../shared/shape.ts';
import { errorText } from '../shared/text.ts';

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
 * Reads the answer to `GET /1.0/apps?extended=true`. One app that cannot be read is an app with unknown units, and costs no other.
 * @throws {ShapeError} when it is no list at all.
 */
export function readAppList(body: unknown): AppList {
  const apps = new Map<string, ListedApp>();
  const problems: string[] = [];
  asArray(body, 'the list of apps').forEach((raw, index) => {
    const name = isObject(raw) ? raw['name'] : undefined;
    if (!isObject(raw) || typeof name !== 'string' || name === '') {
      problems.push(`entry ${index} of Tsuru's list of apps has no name`);
    } else if (apps.has(name)) {
      problems.push(`Tsuru's list of apps has ${name} twice; the first one counts`);
    } else {
      apps.set(name, readListedApp(name, raw));
    }
  });
  return { apps, problems };
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
    const error = raw['error'];
    if (error !== undefined && error !== null && error !== '') {
      return { app, address, units: { kind: 'unknown', reason: `Tsuru says: ${oneLine(error)}` } };
    }
    return { app, address, units: { kind: 'known', units: asArray(raw['units'], 'units').map(readUnit) } };
  } catch (error) {
    return {
      app: bare,
      address: undefined,
      units: { kind: 'unknown', reason: `Tsuru's answer about it cannot be read: ${errorText(error)}` },
    };
  }
}

function readAddress(raw: JsonObject): string {
  const [name] = orEmpty(raw['cname'], 'cname');
  const [router] = orEmpty(raw['routers'], 'routers');
  const routed = isObject(router) ? router['address'] : undefined;
  const all = [name, routed, raw['ip']];
  return all.find((address): address is string => typeof address === 'string' && address !== '') ?? '';
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
 * Reads the answer to `GET /1.0/apps/A`. Where the answer itself says that something went wrong and has no ports, the ports are unknown
 * and not none.
 * @throws {ShapeError} when it cannot be read, or is about another app.
 */
export function readAppDetails(body: unknown, name: string): AppDetails {
  const raw = asObject(body, 'the app');
  if (raw['name'] !== name) throw new ShapeError(`it is not about ${name}`);
  const addresses = raw['internalAddresses'];
  const error = raw['error'];
  const hasError = error !== undefined && error !== null && error !== '';
  if (hasError && (!Array.isArray(addresses) || addresses.length === 0)) {
    throw new ShapeError(`it has no ports, and an error: ${oneLine(error)}`);
  }
  return {
    platform: asOptionalText(raw['platform'], 'platform'),
    ports: orEmpty(addresses, 'internalAddresses').map(readPort),
    processes: Object.fromEntries(orEmpty(raw['processes'], 'processes').map(readProcess)),
  };
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

function readProcess(raw: unknown, index: number): [string, Annotations] {
  const process = asObject(raw, `processes[${index}]`);
  return [asOptionalText(process['name'], `processes[${index}].name`), readMetadata(process['metadata']).annotations];
}

/** `{annotations: [{name, value}], labels: [{name, value}]}`, either of which may be missing or null. */
function readMetadata(value: unknown): { annotations: Annotations; labels: Annotations } {
  if (value === undefined || value === null) return { annotations: {}, labels: {} };
  const metadata = asObject(value, 'metadata');
  return {
    annotations: readPairs(metadata['annotations'], 'metadata.annotations'),
    labels: readPairs(metadata['labels'], 'metadata.labels'),
  };
}

function readPairs(value: unknown, where: string): Annotations {
  const pairs = orEmpty(value, where).map((raw, index): [string, string] => {
    const pair = asObject(raw, `${where}[${index}]`);
    return [asOptionalText(pair['name'], `${where}.name`), asOptionalText(pair['value'], `${where}.value`)];
  });
  return Object.fromEntries(pairs);
}

/** Go writes a list that was never filled as null. */
function orEmpty(value: unknown, where: string): readonly unknown[] {
  return value === undefined || value === null ? [] : asArray(value, where);
}

function oneLine(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return line.length > LONGEST_QUOTE ? `${line.slice(0, LONGEST_QUOTE)}...` : line;
}

/** How much of what Tsuru says is quoted. */
const LONGEST_QUOTE = 300;

/** A permission of a token, as `GET /1.0/users/info` lists them. */
export interface Permission {
  readonly name: string;
  readonly contextType: string;
  readonly contextValue: string;
}

/**
 * Reads the answer to `GET /1.0/users/info`.
 * @throws {ShapeError} when it cannot be read.
 */
export function readPermissions(body: unknown): readonly Permission[] {
  const user = asObject(body, 'the user');
  // A key that is there but null is Go's empty list; without the key this is some other answer.
  if (!('Permissions' in user)) throw new ShapeError('it has no Permissions');
  return orEmpty(user['Permissions'], 'Permissions').map((raw, index) => {
    const permission = asObject(raw, `Permissions[${index}]`);
    return {
      name: asOptionalText(permission['Name'], `Permissions[${index}].Name`),
      contextType: asOptionalText(permission['ContextType'], `Permissions[${index}].ContextType`),
      contextValue: asOptionalText(permission['ContextValue'], `Permissions[${index}].ContextValue`),
    };
  });
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
