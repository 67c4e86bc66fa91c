import type { AppDiscovery, Discovery, LeftOut } from '../discovery/discover.ts';
import type { ScrapeDefaults } from '../discovery/annotations.ts';
import { UNIT_LABEL } from '../discovery/labels.ts';
import { formatDuration, parseDuration } from '../shared/duration.ts';
import type { Limit } from '../shared/budget.ts';
import { count } from '../shared/text.ts';
import { APP_LABEL, renderGroup, type TargetGroup } from '../targets/groups.ts';
import { planScrapes, type PlanMemory, type PlannedApp, type ScrapePlan } from './plan.ts';
import { SAMPLE_LIMIT_LABEL } from './sample-limits.ts';
import { sampleKey } from './samples.ts';

const INTERVAL_LABEL = '__scrape_interval__';
const TIMEOUT_LABEL = '__scrape_timeout__';
/**
 * The interval that a target with a stretched one should have. Groups that are held were read from the target file: without it, what they were
 * stretched to would be taken for what they want, and each restart could stretch them once more.
 */
const WANTED_INTERVAL_LABEL = '__meta_tsuru_scrape_interval';

export interface FitOptions {
  readonly limits: readonly Limit[];
  /** What each target exposes a scrape, by sampleKey. */
  readonly samples: ReadonlyMap<string, number>;
  /** By how much all intervals are stretched at least. */
  readonly factor: number;
  /** Of targets without an interval and a timeout of their own. */
  readonly scrape: ScrapeDefaults;
  readonly memory: PlanMemory | undefined;
  /** Apps that are not scraped for now, and why. Their room is kept for them. */
  readonly paused: ReadonlyMap<string, string>;
}

/**
 * What of a discovery is scraped, and how often, so that it fits: each target with its sample limit as a label, intervals stretched where there
 * is too little room, and what does not fit even so left out with the reason.
 */
export function fit(
  discovery: Discovery,
  { limits, samples, factor, scrape, memory, paused }: FitOptions,
): { readonly discovery: Discovery; readonly plan: ScrapePlan } {
  const plan = planScrapes({
    apps: discovery.apps.map(({ known, groups }) => ({
      app: known.app.name,
      targets: groups.map((group) => {
        const key = targetKey(group);
        return { key, intervalMs: intervalOf(group, scrape.intervalMs), samples: samples.get(key) };
      }),
    })),
    limits,
    memory,
    factor,
  });
  const planned = new Map(plan.apps.map((app) => [app.app, app]));
  const apps = discovery.apps.map((app) => {
    const { name } = app.known.app;
    const given = planned.get(name);
    return given === undefined ? app : fitApp(app, pause(given, paused.get(name)), scrape);
  });
  return { discovery: { apps, groups: apps.flatMap(({ groups }) => groups) }, plan };
}

function pause(planned: PlannedApp, reason: string | undefined): PlannedApp {
  if (reason === undefined) return planned;
  const leftOut = [...planned.leftOut, ...planned.targets.map(({ key }) => ({ key, reason }))];
  return { ...planned, targets: [], leftOut, notes: [] };
}

function fitApp(app: AppDiscovery, planned: PlannedApp, scrape: ScrapeDefaults): AppDiscovery {
  const given = new Map(planned.targets.map((target) => [target.key, target]));
  const reasons = new Map(planned.leftOut.map(({ key, reason }) => [key, reason]));
  const fitted = (group: TargetGroup): TargetGroup | undefined => {
    const target = given.get(targetKey(group));
    if (target === undefined) return undefined;
    const labels = {
      ...withTimeout(intervalLabels(group, target.intervalMs, scrape.intervalMs), target.intervalMs, scrape),
      [SAMPLE_LIMIT_LABEL]: String(target.sampleLimit),
    };
    return { ...group, labels };
  };
  const groups = app.groups.flatMap((group) => fitted(group) ?? []);
  return {
    ...app,
    targets: app.targets.flatMap((target) => {
      const group = fitted(target.group);
      return group === undefined ? [] : [{ ...target, group }];
    }),
    leftOut: [
      ...app.leftOut,
      ...app.targets.flatMap(({ unit, group }): LeftOut[] => {
        const text = reasons.get(targetKey(group));
        return text === undefined ? [] : [{ unit, reason: 'no_room', text }];
      }),
    ],
    groups,
    texts: groups.map(renderGroup),
    problems: [...app.problems, ...planned.notes, ...heldOut(app, planned)],
  };
}

/** Of an app whose units are not known there is nobody to tell of as left out, so its problems do. */
function heldOut(app: AppDiscovery, { leftOut }: PlannedApp): readonly string[] {
  const [first] = leftOut;
  if (first === undefined || app.targets.length > 0) return [];
  return [`${count(leftOut.length, 'target')} of its last ones left out: ${first.reason}`];
}

/** A group's labels with this interval. */
function intervalLabels(group: TargetGroup, intervalMs: number, defaultMs: number): TargetGroup['labels'] {
  const { [INTERVAL_LABEL]: own, [WANTED_INTERVAL_LABEL]: wanted, ...labels } = group.labels;
  const wantedMs = intervalOf(group, defaultMs);
  if (intervalMs !== wantedMs) {
    return {
      ...labels,
      [INTERVAL_LABEL]: formatDuration(intervalMs),
      [WANTED_INTERVAL_LABEL]: formatDuration(wantedMs),
    };
  }
  const asked = wanted ?? own;
  return asked === undefined || (wanted !== undefined && wantedMs === defaultMs)
    ? labels
    : { ...labels, [INTERVAL_LABEL]: asked };
}

/**
 * Prometheus drops a target whose timeout is above its interval: one with an interval of its own has a timeout of its own, and none is above. What
 * the defaults are then may change without the target.
 */
function withTimeout(labels: TargetGroup['labels'], intervalMs: number, scrape: ScrapeDefaults): TargetGroup['labels'] {
  const { [INTERVAL_LABEL]: interval, [TIMEOUT_LABEL]: timeout } = labels;
  if (interval === undefined && timeout === undefined) return labels;
  const timeoutMs = Math.min(parseDuration(timeout ?? '') ?? scrape.timeoutMs, intervalMs);
  return { ...labels, [INTERVAL_LABEL]: formatDuration(intervalMs), [TIMEOUT_LABEL]: formatDuration(timeoutMs) };
}

/** The sample limits that targets had, so that a restart begins with them. */
export function memoryOf(groups: Iterable<TargetGroup>): PlanMemory {
  const sampleLimits = new Map<string, number>();
  const usual = new Map<string, number>();
  for (const group of groups) {
    const app = group.labels[APP_LABEL] ?? '';
    const limit = Number(group.labels[SAMPLE_LIMIT_LABEL]);
    if (!(limit > 0)) continue;
    sampleLimits.set(targetKey(group), limit);
    usual.set(app, Math.max(limit, usual.get(app) ?? 0));
  }
  return { sampleLimits, usual, factors: new Map() };
}

/** What names a target: its app and unit. */
export function targetKey({ labels }: TargetGroup): string {
  return sampleKey(labels[APP_LABEL] ?? '', labels[UNIT_LABEL] ?? '');
}

/** The interval that a target should have. */
function intervalOf({ labels }: TargetGroup, defaultMs: number): number {
  return parseDuration(labels[WANTED_INTERVAL_LABEL] ?? labels[INTERVAL_LABEL] ?? '') ?? defaultMs;
}
