import type { AppDiscovery, Discovery, LeftOut } from '../discovery/discover.ts';
import { UNIT_LABEL } from '../discovery/labels.ts';
import { formatDuration, parseDuration } from '../shared/duration.ts';
import type { Limit } from '../shared/budget.ts';
import { count } from '../shared/text.ts';
import { APP_LABEL, renderGroup, type TargetGroup } from '../targets/groups.ts';
import { planScrapes, type PlanMemory, type PlannedApp, type ScrapePlan } from './plan.ts';
import { SAMPLE_LIMIT_LABEL } from './sample-limits.ts';
import { sampleKey } from './samples.ts';

const INTERVAL_LABEL = '__scrape_interval__';
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
  /** Of targets without an interval of their own. */
  readonly intervalMs: number;
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
  { limits, samples, factor, intervalMs, memory, paused }: FitOptions,
): { readonly discovery: Discovery; readonly plan: ScrapePlan } {
  const plan = planScrapes({
    apps: discovery.apps.map(({ known, groups }) => ({
      app: known.app.name,
      targets: groups.map((group) => {
        const key = keyOf(group);
        return { key, intervalMs: intervalOf(group, intervalMs), samples: samples.get(key) };
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
    return given === undefined ? app : fitApp(app, pause(given, paused.get(name)), intervalMs);
  });
  return { discovery: { apps, groups: apps.flatMap(({ groups }) => groups) }, plan };
}

function pause(planned: PlannedApp, reason: string | undefined): PlannedApp {
  if (reason === undefined) return planned;
  const leftOut = [...planned.leftOut, ...planned.targets.map(({ key }) => ({ key, reason }))];
  return { ...planned, targets: [], leftOut, notes: [] };
}

function fitApp(app: AppDiscovery, planned: PlannedApp, defaultMs: number): AppDiscovery {
  const given = new Map(planned.targets.map((target) => [target.key, target]));
  const reasons = new Map(planned.leftOut.map(({ key, reason }) => [key, reason]));
  const fitted = (group: TargetGroup): TargetGroup | undefined => {
    const target = given.get(keyOf(group));
    if (target === undefined) return undefined;
    const labels = {
      ...intervalLabels(group, target.intervalMs, defaultMs),
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
        const text = reasons.get(keyOf(group));
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

/** The sample limits that targets had, so that a restart begins with them. */
export function memoryOf(groups: Iterable<TargetGroup>): PlanMemory {
  const limits = [...groups].flatMap((group): [string, number][] => {
    const limit = Number(group.labels[SAMPLE_LIMIT_LABEL]);
    return limit > 0 ? [[keyOf(group), limit]] : [];
  });
  return { sampleLimits: new Map(limits), factors: new Map() };
}

function keyOf({ labels }: TargetGroup): string {
  return sampleKey(labels[APP_LABEL] ?? '', labels[UNIT_LABEL] ?? '');
}

/** The interval that a target should have. */
function intervalOf({ labels }: TargetGroup, defaultMs: number): number {
  return parseDuration(labels[WANTED_INTERVAL_LABEL] ?? labels[INTERVAL_LABEL] ?? '') ?? defaultMs;
}
