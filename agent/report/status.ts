import type { AppDiscovery, Discovery, LeftOut, Target } from '../discovery/discover.ts';
import { UNIT_LABEL } from '../discovery/labels.ts';
import type { Readiness } from '../prometheus/api/health.ts';
import type { TargetHealth } from '../prometheus/api/client.ts';
import type { SyncStatus } from '../prometheus/sync/sync.ts';
import type { Progress } from './reporter.ts';
import type { AppStatus, ProcessStatus, CapacityStatus, Status, UnitStatus } from '../shared/status.ts';
import { count } from '../shared/text.ts';
import { remediesFor, remedyFor } from './scrape-remedies.ts';
import { VERSION } from '../shared/version.ts';
import type { Trouble } from '../system/troubles.ts';

/** How long a loss of data is reported: one look a day shows it. */
const LOSS_TOLD_MS = 24 * 60 * 60_000;

/** The input of a status. */
export interface StatusInput {
  readonly wallMs: number;
  readonly ownApp: string | undefined;
  readonly token: string;
  readonly discovery: Discovery | undefined;
  /** Whether targets were written or restored. */
  readonly onDisk: boolean;
  readonly troubles: readonly Trouble[];
  readonly progress: Progress;
  readonly sync: SyncStatus | undefined;
  readonly file: string;
  readonly restored: boolean;
  /** Whether the agent runs its Prometheus. */
  readonly isSupervised: boolean;
  readonly capacity: CapacityStatus | undefined;
  readonly readiness: Readiness;
  readonly healthOf: ((app: string, unit: string) => TargetHealth | undefined) | undefined;
  /** How many samples a target exposes, by app and unit, as far as that is measured. */
  readonly samplesOf?: ((app: string, unit: string) => number | undefined) | undefined;
  /** What else is wrong with an app's targets, in sentences. */
  readonly problemsOf: (app: string) => readonly string[];
}

export function statusOf(input: StatusInput): Status {
  const { discovery, readiness, sync } = input;
  const { lastPoll, lastPollSuccessMs, nextPollMs, lastWrite, writtenTargets, configuration } = input.progress;
  return {
    instance: input.ownApp ?? null,
    token: input.token,
    versions: { agent: VERSION, node: process.versions.node, prometheus: readiness.ready ? readiness.version : null },
    ready: input.onDisk && readiness.ready,
    problems: [
      ...input.troubles.map(({ text, sinceMs }) => `${text} (since ${time(sinceMs)})`),
      ...[...listOf(input.progress.supervised.unfinished), ...input.progress.supervised.losses]
        .filter(({ atMs }) => input.wallMs - atMs < LOSS_TOLD_MS)
        .map(({ text, atMs }) => `${text} (at ${time(atMs)})`),
      ...(readiness.ready ? [] : [`Prometheus is not ready: ${readiness.reason}`]),
    ],
    lastPoll: {
      at: timeOrNull(lastPoll?.atMs),
      ok: lastPoll?.ok ?? null,
      lastSuccess: timeOrNull(lastPollSuccessMs),
      next: timeOrNull(nextPollMs),
    },
    lastWrite: {
      at: timeOrNull(lastWrite?.atMs),
      ok: lastWrite?.ok ?? null,
      file: input.file,
      targets: writtenTargets,
    },
    sync: {
      inSync: sync?.inSync ?? false,
      since: timeOrNull(sync?.sinceMs),
      ...(sync?.problem === undefined ? {} : { problem: sync.problem }),
    },
    configuration: {
      loaded: timeOrNull(configuration.loadedAtMs),
      ...(configuration.refused === undefined ? {} : { refused: configuration.refused }),
      ...(configuration.waiting === undefined ? {} : { waiting: configuration.waiting }),
    },
    restored: input.restored,
    prometheus: {
      ...(readiness.ready ? { ready: true } : { ready: false, reason: readiness.reason }),
      ...(input.isSupervised ? { process: processStatus(input.progress.supervised) } : {}),
    },
    ...(input.capacity === undefined ? {} : { capacity: input.capacity }),
    apps: (discovery?.apps ?? []).map((app) => appStatus(app, input)),
  };
}

function listOf<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}

function processStatus({ startedAtMs, crashes, lastCrash, losses }: Progress['supervised']): ProcessStatus {
  const crash = lastCrash && { at: time(lastCrash.atMs), reason: lastCrash.text, log: lastCrash.lines };
  return {
    startedAt: timeOrNull(startedAtMs),
    crashes,
    ...(crash === undefined ? {} : { lastCrash: crash }),
    losses: losses.map(({ atMs, text }) => ({ at: time(atMs), what: text })),
  };
}

function appStatus(
  app: AppDiscovery,
  { healthOf, samplesOf, problemsOf }: Pick<StatusInput, 'healthOf' | 'samplesOf' | 'problemsOf'>,
): AppStatus {
  const { name, pool, team } = app.known.app;
  const { unknown } = app.known;
  const health = (target: Target): TargetHealth | undefined => healthOf?.(name, labelOf(target));
  const held = app.targets.length > 0 ? [] : app.groups.map(({ targets, labels }) => heldUnit(targets, labels));
  return {
    name,
    pool,
    team,
    targets: app.groups.length,
    leftOut: app.leftOut.length,
    ...(unknown === undefined ? {} : { unknown: { reason: unknown.reason, since: time(unknown.sinceMs) } }),
    units: [
      ...app.targets.map((target) => targetStatus(target, health(target), samplesOf?.(name, labelOf(target)))),
      ...held,
      ...app.leftOut.map((leftOut) => leftOutStatus(name, leftOut)),
    ],
    problems: [
      ...app.problems,
      ...problemsOf(name),
      ...tooOldSamples(app.targets, health),
      ...remediesFor(name, app.targets, health),
    ],
  };
}

function targetStatus(target: Target, health: TargetHealth | undefined, samples: number | undefined): UnitStatus {
  const told =
    health === undefined
      ? {}
      : {
          health: health.health,
          ...(health.lastError === '' ? {} : { lastError: health.lastError }),
          ...(health.lastScrape.startsWith('0001') ? {} : { lastScrape: health.lastScrape, ...durationOf(health) }),
        };
  const measured = samples === undefined ? {} : { samples };
  return { ...unitOf(target.unit), unit: labelOf(target), address: target.address, ...told, ...measured };
}

function durationOf({ lastScrapeSeconds }: TargetHealth): { readonly scrapeSeconds?: number } {
  return lastScrapeSeconds === undefined ? {} : { scrapeSeconds: lastScrapeSeconds };
}

function leftOutStatus(app: string, { unit, text, reason }: LeftOut): UnitStatus {
  const remedy = remedyFor(app, unit.process, reason);
  return { ...unitOf(unit), leftOut: text, reason, ...(remedy === undefined ? {} : { remedy }) };
}

function heldUnit(targets: readonly string[], labels: Readonly<Record<string, string>>): UnitStatus {
  return {
    unit: labels[UNIT_LABEL] ?? '',
    process: labels['__meta_tsuru_process'] ?? '',
    status: 'unknown',
    version: labels['__meta_tsuru_version'] ?? '',
    address: targets.join(', '),
  };
}

function unitOf(unit: Target['unit']): { unit: string; process: string; status: string; version: string } {
  return { unit: unit.name, process: unit.process, status: unit.status, version: unit.version };
}

function labelOf(target: Target): string {
  return target.group.labels[UNIT_LABEL] ?? '';
}

/** Where samples may come out of order, Prometheus fails the whole scrape for one that is too old, and logs nothing. */
function tooOldSamples(targets: readonly Target[], health: (target: Target) => TargetHealth | undefined): string[] {
  const failing = targets.filter((target) => {
    const known = health(target);
    return known?.health === 'down' && known.lastError.includes('too old sample');
  });
  return failing.length === 0
    ? []
    : [
        `Prometheus refuses every sample of ${count(failing.length, 'unit')}, as some have timestamps that are too old: expose samples without timestamps`,
      ];
}

function time(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

function timeOrNull(wallMs: number | undefined): string | null {
  return wallMs === undefined ? null : time(wallMs);
}
