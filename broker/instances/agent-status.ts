import { asArray, asObject, asOptionalText, isObject, parseJson } from '../../agent/shared/shape.ts';
import { errorText } from '../../agent/shared/text.ts';

/** What an instance tells of itself. */
export type AgentAnswer =
  | { readonly kind: 'answered'; readonly status: AgentStatus }
  /** By its own gateway, or by something before it, which may have passwords of its own. */
  | { readonly kind: 'refused'; readonly isOfGateway?: true }
  /** There was no time to ask it. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'silent'; readonly reason: string };

/** What the broker reads of the agent's status, which may be another version's. */
export interface AgentStatus {
  readonly isReady: boolean;
  /** Of the token that the agent asks Tsuru with; older agents do not tell. */
  readonly tokenFingerprint?: string;
  readonly problems: readonly string[];
  /** Why the newest targets are not loaded, if that lasts; '' otherwise. */
  readonly syncProblem: string;
  readonly apps: readonly AgentApp[];
}

export interface AgentApp {
  readonly name: string;
  readonly units: readonly AgentUnit[];
  /** Whether Tsuru tells its units; the agent's own problems say why not. */
  readonly isKnown: boolean;
  readonly problems: readonly string[];
}

export interface AgentUnit {
  readonly name: string;
  /** Why it is not scraped; '' when it is, or not known to be. */
  readonly leftOut: string;
  /** Whether that is as it should be: it is starting, has ended, or was left out by its user. */
  readonly isRightlyOut: boolean;
  /** As Prometheus calls it: up, down, unknown; '' when it does not tell. */
  readonly health: string;
  readonly lastError: string;
}

/** Reasons of the agent's; any other is a problem of somebody's. */
const RIGHTLY_OUT = ['created', 'building', 'stopped', 'succeeded', 'no_process', 'opted_out'];
/** The status of 10,000 units takes about 4 MB. */
const LARGEST_BYTES = 16 * 1024 ** 2;

/** What the agent's gateway calls itself. */
const GATEWAY_REALM = 'realm="Prometheus"';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export async function askAgent(address: string, credentials: Credentials, signal: AbortSignal): Promise<AgentAnswer> {
  try {
    const url = `${address.replace(/\/+$/, '')}/tsuru/status`;
    const basic = Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64');
    const headers = { accept: 'application/json', authorization: `Basic ${basic}` };
    const response = await fetch(url, { headers, signal, redirect: 'manual' });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      const bytes = Buffer.from(chunk as Uint8Array);
      size += bytes.length;
      if (size > LARGEST_BYTES) throw new Error('its answer is too large');
      chunks.push(bytes);
    }
    if (response.status === 401 || response.status === 403) {
      const isOfGateway = response.headers.get('www-authenticate')?.includes(GATEWAY_REALM) === true;
      return isOfGateway ? { kind: 'refused', isOfGateway } : { kind: 'refused' };
    }
    if (response.status !== 200) return { kind: 'silent', reason: `it answers ${response.status}` };
    return { kind: 'answered', status: readAgentStatus(parseJson(chunks)) };
  } catch (error) {
    return { kind: 'silent', reason: signal.aborted ? 'not in time' : errorText(error) };
  }
}

function readAgentStatus(value: unknown): AgentStatus {
  const status = asObject(value, 'the status');
  const sync = isObject(status['sync']) ? status['sync'] : {};
  const tokenFingerprint = text(status['token']);
  return {
    isReady: status['ready'] === true,
    ...(tokenFingerprint === '' ? {} : { tokenFingerprint }),
    problems: texts(status['problems']),
    syncProblem: text(sync['problem']),
    apps: list(status['apps']).map((item) => {
      const app = asObject(item, 'an app');
      return {
        name: text(app['name']),
        units: list(app['units']).map((unit) => readUnit(asObject(unit, 'a unit'))),
        isKnown: !isObject(app['unknown']),
        problems: texts(app['problems']),
      };
    }),
  };
}

function readUnit(unit: Readonly<Record<string, unknown>>): AgentUnit {
  return {
    name: text(unit['unit']),
    leftOut: text(unit['leftOut']),
    isRightlyOut: RIGHTLY_OUT.includes(text(unit['reason'])),
    health: text(unit['health']),
    lastError: text(unit['lastError']),
  };
}

function text(value: unknown): string {
  return asOptionalText(value, 'a text');
}

function list(value: unknown): readonly unknown[] {
  return value === undefined || value === null ? [] : asArray(value, 'a list');
}

function texts(value: unknown): readonly string[] {
  return list(value).map(text);
}
