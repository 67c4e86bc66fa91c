import type { PageFacts } from '../../../agent/page/facts.ts';
import { readSettings, type SettingsInput } from '../../../agent/shared/settings/settings.ts';
import type { AppStatus, LeftOutStatus, Status, TargetStatus } from '../../../agent/shared/status.ts';

export const NOW_MS = Date.parse('2026-01-02T10:31:00Z');

/** A unit that is up, but for what is told otherwise. */
export function up(unit: string, more: Partial<TargetStatus> = {}): TargetStatus {
  return {
    ...{ unit, process: 'web', status: 'started', version: '7', address: '10.0.0.1:8888', health: 'up' },
    ...{ lastScrape: new Date(NOW_MS - 3_000).toISOString(), scrapeSeconds: 0.012, samples: 1_234 },
    ...more,
  };
}

export function down(unit: string, lastError: string): TargetStatus {
  return up(unit, { health: 'down', lastError });
}

export function leftOut(unit: string, more: Partial<LeftOutStatus> = {}): LeftOutStatus {
  const reason = 'it is stopped';
  return { unit, process: 'web', status: 'stopped', version: '7', leftOut: reason, reason: 'stopped', ...more };
}

export function app(name: string, units: AppStatus['units'], more: Partial<AppStatus> = {}): AppStatus {
  const targets = units.filter((unit) => 'address' in unit).length;
  return { name, pool: 'dev', team: 'shop', targets, leftOut: units.length - targets, units, problems: [], ...more };
}

const STATUS: Status = {
  instance: 'prometheus-my-instance',
  token: 'abc',
  versions: { agent: '0.1.0', node: '24', prometheus: '3.14.0' },
  ready: true,
  problems: [],
  lastPoll: { at: null, ok: true, lastSuccess: '2026-01-02T10:30:50Z', next: null },
  lastWrite: { at: null, ok: true, file: '/targets.json', targets: 1 },
  sync: { inSync: true, since: '2026-01-02T08:26:00Z' },
  configuration: { loaded: null },
  restored: false,
  prometheus: { ready: true },
  capacity: {
    ...{ memoryLimitBytes: 2 ** 30, goMemLimitBytes: undefined, volume: 'tmpfs', volumeBytes: 2 ** 31 },
    ...{ volumeUsedBytes: 2 ** 29, retentionSizeBytes: 1.5 * 2 ** 30, load: 0.355, steps: 0, series: 12_345 },
    pausedApps: [],
  },
  apps: [],
};

/** A quiet instance, but for what is told otherwise. */
export function factsOf({
  status = {},
  settings = {},
  ...more
}: Partial<Omit<PageFacts, 'status' | 'settings'>> & {
  readonly status?: Partial<Status>;
  readonly settings?: SettingsInput;
} = {}): PageFacts {
  const read = readSettings(settings);
  if (!read.ok) throw new Error(read.problems.join(' '));
  return {
    nowMs: NOW_MS,
    status: { ...STATUS, ...status },
    names: { service: 'prometheus', instance: 'my-instance' },
    plan: 'small',
    settings: read.settings,
    troubles: [],
    usage: { known: true, value: [] },
    oldestMs: undefined,
    senders: { known: true, value: [] },
    alerts: { known: true, value: [] },
    changes: [],
    metrics: { known: true, value: { series: 0, top: [] } },
    home: '/query',
    ...more,
  };
}

/** What a page says, without its tags. */
export function wordsOf(page: string): string {
  return page
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll(/\s+/g, ' ');
}
