import {
  asObject,
  asOptionalArray,
  asOptionalText,
  isObject,
  parseJson,
  type JsonObject,
} from '../../agent/shared/shape.ts';
import {
  HEALTHS,
  isLeftOutReason,
  type AppStatus,
  type LeftOutStatus,
  type Status,
  type TargetStatus,
} from '../../agent/shared/status.ts';
import { errorText } from '../../agent/shared/text.ts';
import { askInstance, type AgentPlace, type AgentReply } from './agent-request.ts';

/** The status of an instance, as its agent reports it. */
export type AgentAnswer =
  | { readonly kind: 'answered'; readonly status: AgentStatus }
  | Extract<AgentReply, { readonly kind: 'refused' }>
  /** There was no time to ask it. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'silent'; readonly reason: string };

/** The part of the agent's status that the broker uses. An agent of another version may lack any of it, which is then empty here. */
export type AgentStatus = Pick<Status, 'ready' | 'token' | 'problems'> & {
  readonly sync: Pick<Status['sync'], 'problem'>;
  /** '' where it does not say. */
  readonly versions: { readonly agent: string; readonly prometheus: string };
  /** Of its storage, in bytes; undefined where it does not say. */
  readonly storage: { readonly used: number | undefined; readonly size: number | undefined };
  readonly apps: readonly AgentApp[];
};

export type AgentApp = Pick<AppStatus, 'name' | 'unknown' | 'problems'> & { readonly units: readonly AgentUnit[] };

export type AgentUnit = TargetUnit | LeftOutUnit;

export type TargetUnit = Pick<TargetStatus, 'unit' | 'health' | 'lastError'>;

/** Without a reason where it is one of a later version. */
export type LeftOutUnit = Pick<LeftOutStatus, 'unit' | 'leftOut'> & Partial<Pick<LeftOutStatus, 'reason'>>;

/** The units that are scraped. */
export function targetsIn(units: readonly AgentUnit[]): readonly TargetUnit[] {
  return units.filter((unit) => !('leftOut' in unit));
}

export async function askAgent(place: AgentPlace, signal: AbortSignal): Promise<AgentAnswer> {
  const reply = await askInstance(place, '/tsuru/status', signal);
  if (reply.kind !== 'answered') return reply.kind === 'silent' ? { kind: 'silent', reason: reply.reason } : reply;
  try {
    return { kind: 'answered', status: readAgentStatus(parseJson(reply.chunks)) };
  } catch (error) {
    return { kind: 'silent', reason: errorText(error) };
  }
}

function readAgentStatus(value: unknown): AgentStatus {
  const status = asObject(value, 'the status');
  const problem = isObject(status['sync']) ? text(status['sync']['problem']) : '';
  return {
    ready: status['ready'] === true,
    token: text(status['token']),
    problems: texts(status['problems']),
    sync: problem === '' ? {} : { problem },
    versions: readVersions(status['versions']),
    storage: readStorage(status['capacity']),
    apps: asOptionalArray(status['apps'], 'apps').map((app) => readApp(asObject(app, 'an app'))),
  };
}

function readVersions(value: unknown): AgentStatus['versions'] {
  if (!isObject(value)) return { agent: '', prometheus: '' };
  return { agent: text(value['agent']), prometheus: text(value['prometheus']) };
}

function readStorage(value: unknown): AgentStatus['storage'] {
  const bytes = (key: string): number | undefined => {
    const given = isObject(value) ? value[key] : undefined;
    return typeof given === 'number' && given >= 0 ? given : undefined;
  };
  return { used: bytes('volumeUsedBytes'), size: bytes('volumeBytes') };
}

function readApp(app: JsonObject): AgentApp {
  const { unknown } = app;
  return {
    name: text(app['name']),
    units: asOptionalArray(app['units'], 'units').map((unit) => readUnit(asObject(unit, 'a unit'))),
    ...(isObject(unknown) ? { unknown: { reason: text(unknown['reason']), since: text(unknown['since']) } } : {}),
    problems: texts(app['problems']),
  };
}

function readUnit(fields: JsonObject): AgentUnit {
  const unit = text(fields['unit']);
  const leftOut = text(fields['leftOut']);
  const reason = text(fields['reason']);
  if (leftOut !== '') return { unit, leftOut, ...(isLeftOutReason(reason) ? { reason } : {}) };
  const health = HEALTHS.find((known) => known === text(fields['health']));
  const lastError = text(fields['lastError']);
  return { unit, ...(health === undefined ? {} : { health }), ...(lastError === '' ? {} : { lastError }) };
}

function text(value: unknown): string {
  return asOptionalText(value, 'a text');
}

function texts(value: unknown): readonly string[] {
  return asOptionalArray(value, 'problems').map(text);
}
