import { compareText } from '../../agent/shared/text.ts';
import { asObject, asOptionalArray, asOptionalText, isObject, type JsonObject } from '../../agent/shared/shape.ts';

/** An instance's app, as far as the broker wants to know it. */
export interface App {
  readonly name: string;
  readonly pool: string;
  /** '' where Tsuru does not report. */
  readonly cluster: string;
  readonly team: string;
  /** Tsuru's plan. */
  readonly plan: string;
  readonly tags: readonly string[];
  readonly annotations: ReadonlyMap<string, string>;
  readonly units: readonly Unit[];
  /** Why its units are not known; '' when they are. */
  readonly unitsError: string;
  /** Of the router; '' without one. */
  readonly address: string;
  /** The first of the names that its owner gave it; '' without any. */
  readonly cname: string;
  readonly deploys: number;
}

export interface Unit {
  readonly name: string;
  readonly status: string;
  readonly reason: string;
  readonly isReady: boolean;
  /** `host:port`; '' when it has none yet. */
  readonly address: string;
}

/** Tsuru's default, which the image listens on. */
const PORT = 8888;

export function readApp(value: unknown): App {
  const app = asObject(value, 'the app');
  const error = asOptionalText(app['error'], 'error');
  const { annotations } = isObject(app['metadata']) ? app['metadata'] : {};
  return {
    name: asOptionalText(app['name'], 'name'),
    pool: asOptionalText(app['pool'], 'pool'),
    cluster: asOptionalText(app['cluster'], 'cluster'),
    team: asOptionalText(app['teamowner'], 'teamowner'),
    plan: isObject(app['plan']) ? asOptionalText(app['plan']['name'], 'plan') : '',
    tags: asOptionalArray(app['tags'], 'tags').map((tag) => asOptionalText(tag, 'a tag')),
    annotations: new Map(
      asOptionalArray(annotations, 'annotations').map((item) => {
        const annotation = asObject(item, 'an annotation');
        return [asOptionalText(annotation['name'], 'name'), asOptionalText(annotation['value'], 'value')];
      }),
    ),
    units: asOptionalArray(app['units'], 'units').map(readUnit).filter(isNoOneOff),
    unitsError: /unable to list app units[^\n]*/.exec(error)?.[0] ?? '',
    address: asOptionalText(app['ip'], 'ip'),
    // The order of Tsuru's list says nothing.
    cname:
      asOptionalArray(app['cname'], 'cname')
        .map((name) => asOptionalText(name, 'a cname'))
        .sort(compareText)[0] ?? '',
    deploys: typeof app['deploys'] === 'number' ? app['deploys'] : 0,
  };
}

interface AnyUnit extends Unit {
  readonly process: string;
}

function readUnit(value: unknown): AnyUnit {
  const unit = asObject(value, 'a unit');
  const text = (name: string): string => asOptionalText(unit[name], name);
  const status = text('Status');
  // `IP` is the node's.
  const ip = text('InternalIP');
  return {
    name: text('Name') || text('ID'),
    process: text('ProcessName'),
    status,
    reason: text('StatusReason'),
    isReady: unit['Ready'] === true || (unit['Ready'] !== false && status === 'started'),
    address: ip === '' ? hostOf(unit) : `${ip.includes(':') ? `[${ip}]` : ip}:${PORT}`,
  };
}

/** Of older provisioners. */
function hostOf({ Address: address }: JsonObject): string {
  return isObject(address) ? asOptionalText(address['Host'], 'Host') : '';
}

/** Pods of `tsuru app run` are listed without a process. */
function isNoOneOff({ process }: AnyUnit): boolean {
  return process !== '';
}
