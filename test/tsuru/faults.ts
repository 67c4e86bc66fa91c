// What can go wrong with a Tsuru, on demand. Faults are rules in one list; every rule that fits a request is applied to it.
import { TEXT, type WholeAnswer } from './http.ts';
import { text, type Tree } from './input.ts';

/** Who is asked: Tsuru by its clients, or a service's broker by Tsuru. */
type Asked = 'tsuru' | 'broker';

/** Where a fault shows: in all requests to Tsuru, unless it says something else. */
interface Limits {
  /** 'broker': in what Tsuru asks of brokers; only latency, status, body, cut, drop and repeat show there. */
  readonly to?: 'broker';
  readonly method?: string;
  /** The path without its API version: '/apps/my-app' (a broker's: '/resources/my-instance'), or with a star at its end what begins like it: '/apps*'. */
  readonly path?: string;
  /** This many answers; without it until the fault is removed. */
  readonly times?: number;
}

export type Fault = Limits &
  (
    | { readonly kind: 'status'; readonly status: number; readonly body?: string }
    /** Status 200 with something else in the body: text that is not JSON, or JSON of a wrong shape. */
    | { readonly kind: 'body'; readonly body: string; readonly contentType?: string }
    | { readonly kind: 'latency'; readonly ms: number }
    /** The request is obeyed, and the connection breaks in the middle of the answer. */
    | { readonly kind: 'cut' }
    /** The request is lost on its way: nobody obeys it, and the connection ends without an answer. */
    | { readonly kind: 'drop' }
    /** The request arrives twice, one after the other, and only the second answer comes back: a proxy that tried again. */
    | { readonly kind: 'repeat' }
    /** As when a cluster cannot be reached: the units of one app or of all are not known. */
    | { readonly kind: 'units-unknown'; readonly app?: string; readonly error?: string }
    /** An app is left out of the list, though it is granted. */
    | { readonly kind: 'app-missing'; readonly app: string }
  );

export interface Faults {
  /** Adds a fault and returns how to remove it. */
  add(fault: Fault): () => void;
  list(): readonly Fault[];
  clear(): void;
}

/** What faults hide from a call. */
export interface Views {
  /** Why the units of an app are unknown; undefined: they are known. */
  readonly unitsError: (app: string) => string | undefined;
  readonly isMissing: (app: string) => boolean;
}

/** What becomes of one request. */
export interface Misfortune {
  readonly delayMs: number;
  /** Instead of obeying the request. */
  readonly answer: WholeAnswer | undefined;
  readonly isCut: boolean;
  readonly isDropped: boolean;
  readonly isRepeated: boolean;
  readonly views: Views;
}

export interface FaultRules extends Faults {
  /** The faults of a request; it counts as one of their times. */
  meet(method: string, path: string, asked?: Asked): Misfortune;
}

const UNREACHABLE = 'Get "https://cluster/api/v1/pods": dial tcp: i/o timeout';
const BODIES = new Map([
  [204, ''],
  [401, 'You must provide a valid Authorization header\n'],
  [403, "You don't have permission to do this action\n"],
]);

export function createFaults(): FaultRules {
  const rules = new Set<{ readonly fault: Fault; left: number }>();
  return {
    add(fault) {
      const rule = { fault, left: fault.times ?? Infinity };
      rules.add(rule);
      return () => rules.delete(rule);
    },
    list: () => [...rules].map(({ fault }) => fault),
    clear: () => {
      rules.clear();
    },
    meet(method, path, asked = 'tsuru') {
      const met = [...rules].filter(({ fault }) => (fault.to ?? 'tsuru') === asked && fits(fault, method, path));
      for (const rule of met) if (--rule.left <= 0) rules.delete(rule);
      return misfortune(met.map(({ fault }) => fault));
    },
  };
}

/** A fault from somebody's JSON; undefined when it is none. */
export function parseFault(tree: Tree): Fault | undefined {
  const optional = (name: string) => (name in tree ? { [name]: text(tree, name) } : {});
  if ('to' in tree && text(tree, 'to') !== 'broker') return undefined;
  const limits = {
    ...('to' in tree ? { to: 'broker' as const } : {}),
    ...optional('method'),
    ...optional('path'),
    ...('times' in tree ? { times: Number(tree['times']) } : {}),
  };
  const kind = text(tree, 'kind');
  switch (kind) {
    case 'status':
      return 'status' in tree ? { ...limits, kind, status: Number(tree['status']), ...optional('body') } : undefined;
    case 'body':
      return 'body' in tree ? { ...limits, kind, body: text(tree, 'body'), ...optional('contentType') } : undefined;
    case 'latency':
      return 'ms' in tree ? { ...limits, kind, ms: Number(tree['ms']) } : undefined;
    case 'app-missing':
      return 'app' in tree ? { ...limits, kind, app: text(tree, 'app') } : undefined;
    case 'units-unknown':
      return { ...limits, kind, ...optional('app'), ...optional('error') };
    case 'cut':
    case 'drop':
    case 'repeat':
      return { ...limits, kind };
    default:
      return undefined;
  }
}

function fits(fault: Fault, method: string, path: string): boolean {
  return (fault.method ?? method) === method && fitsPath(fault.path ?? '*', path) && showsIn(fault, method, path);
}

function fitsPath(wanted: string, path: string): boolean {
  // Whoever makes everything fail must still be able to end that.
  if (path.startsWith('/local/')) return false;
  return wanted.endsWith('*') ? path.startsWith(wanted.slice(0, -1)) : path === wanted;
}

/** Faults of units and apps show only where Tsuru reports of them: in the list of apps, and in an app. */
function showsIn(fault: Fault, method: string, path: string): boolean {
  switch (fault.kind) {
    case 'units-unknown':
      return method === 'GET' && ['/apps', `/apps/${fault.app ?? path.split('/')[2] ?? ''}`].includes(path);
    case 'app-missing':
      return method === 'GET' && path === '/apps';
    default:
      return true;
  }
}

function misfortune(faults: readonly Fault[]): Misfortune {
  const instead = faults.find((fault) => fault.kind === 'status' || fault.kind === 'body');
  return {
    delayMs: faults.reduce((sum, fault) => sum + (fault.kind === 'latency' ? fault.ms : 0), 0),
    answer: instead === undefined ? undefined : insteadAnswer(instead),
    isCut: faults.some(({ kind }) => kind === 'cut'),
    isDropped: faults.some(({ kind }) => kind === 'drop'),
    isRepeated: faults.some(({ kind }) => kind === 'repeat'),
    views: {
      unitsError: (app) => {
        const unknown = faults.find((fault) => fault.kind === 'units-unknown' && (fault.app ?? app) === app);
        return unknown?.kind === 'units-unknown' ? (unknown.error ?? UNREACHABLE) : undefined;
      },
      isMissing: (app) => faults.some((fault) => fault.kind === 'app-missing' && fault.app === app),
    },
  };
}

function insteadAnswer(fault: Extract<Fault, { kind: 'status' | 'body' }>): WholeAnswer {
  if (fault.kind === 'body') {
    return { status: 200, contentType: fault.contentType ?? 'application/json', body: fault.body };
  }
  const body = fault.body ?? BODIES.get(fault.status) ?? 'the local Tsuru was told to fail\n';
  return { status: fault.status, ...(body === '' ? {} : { contentType: TEXT }), body };
}
