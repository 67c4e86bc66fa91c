import type { AppDiscovery, Discovery, LeftOut } from '../discovery/discover.ts';
import type { ScrapeDefaults } from '../discovery/annotations.ts';
import { PROCESS_LABEL, UNIT_LABEL } from '../discovery/labels.ts';
import { formatDuration, parseDuration } from '../shared/duration.ts';
import type { Limit } from '../shared/budget.ts';
import { count } from '../shared/text.ts';
import { APP_LABEL, renderGroup, type TargetGroup } from '../discovery/target-group.ts';
import { planScrapes, type PlannedApp, type PlannedTarget, type PlanMemory, type ScrapePlan } from './scrape-plan.ts';
import { labelOfLimit, limitOfLabel, SAMPLE_LIMIT_LABEL } from '../discovery/sample-limits.ts';
import { sampleKey } from './samples.ts';

const INTERVAL_LABEL = '__scrape_interval__';
const TIMEOUT_LABEL = '__scrape_timeout__';
/**
 * The interval that a target with a stretched one should have. Groups that are held were read from the target file: without it, what they were
 * stretched to would be taken for what they want, and each restart could stretch them again.
 */
const WANTED_INTERVAL_LABEL = '__meta_tsuru_scrape_interval';

export interface FitOptions {
  readonly limits: readonly Limit[];
  /** What each target exposes a scrape, by sampleKey; undefined until Prometheus reports: then targets are scraped as they were. */
  readonly samples: ReadonlyMap<string, number> | undefined;
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
        const process = group.labels[PROCESS_LABEL] ?? '';
        return { key, process, intervalMs: intervalOf(group, scrape.intervalMs), samples: samples?.get(key) };
      }),
    })),
    limits,
    memory: memory && { ...memory, isStanding: memory.isStanding && samples === undefined },
    factor,
  });
  const planned = new Map(plan.apps.map((app) => [app.app, app]));
  const fitted = discovery.apps.map((app) => {
    const { name } = app.known.app;
    const given = planned.get(name);
    return given === undefined ? { app, probes: [] } : fitApp(app, pause(given, paused.get(name)), scrape);
  });
  const apps = fitted.map(({ app }) => app);
  return { discovery: { apps, groups: fitted.flatMap(({ app, probes }) => [...app.groups, ...probes]) }, plan };
}

function pause(planned: PlannedApp, reason: string | undefined): PlannedApp {
  if (reason === undefined) return planned;
  const leftOut = [...planned.leftOut, ...planned.targets.map(({ key }) => ({ key, reason }))];
  return { ...planned, targets: [], leftOut, notes: [] };
}

/** An app with what of it is scraped, and the groups of the targets that are left out and only measured. */
function fitApp(
  app: AppDiscovery,
  planned: PlannedApp,
  scrape: ScrapeDefaults,
): { readonly app: AppDiscovery; readonly probes: readonly TargetGroup[] } {
  const given = new Map(planned.targets.map((target) => [target.key, target]));
  const reasons = new Map(planned.leftOut.map(({ key, reason }) => [key, reason]));
  const fittedIf = (group: TargetGroup, isWanted: (target: PlannedTarget) => boolean): readonly TargetGroup[] => {
    const target = given.get(targetKey(group));
    if (target === undefined || !isWanted(target)) return [];
    const labels = {
      ...withTimeout(intervalLabels(group, target.intervalMs, scrape.intervalMs), target.intervalMs, scrape),
      [SAMPLE_LIMIT_LABEL]: labelOfLimit(target.sampleLimit),
    };
    return [{ ...group, labels }];
  };
  const fitted = (group: TargetGroup): readonly TargetGroup[] => fittedIf(group, ({ isProbe }) => !isProbe);
  const groups = app.groups.flatMap(fitted);
  const probes = app.groups.flatMap((group) => fittedIf(group, ({ isProbe }) => isProbe));
  const scraped = {
    ...app,
    targets: app.targets.flatMap((target) => fitted(target.group).map((group) => ({ ...target, group }))),
    leftOut: [
      ...app.leftOut,
      ...app.targets.flatMap(({ unit, group }): LeftOut[] => {
        const text = reasons.get(targetKey(group));
        return text === undefined ? [] : [{ unit, reason: 'no_capacity', text }];
      }),
    ],
    groups,
    texts: [...groups, ...probes].map(renderGroup),
    problems: [...app.problems, ...planned.notes, ...heldOut(app, planned)],
  };
  return { app: scraped, probes };
}

/** An app whose units are unknown has no units to list as left out, so its problems say it. */
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

/** How targets were scraped, so that a restart begins with that. */
export function memoryOf(groups: Iterable<TargetGroup>, defaultMs: number): PlanMemory {
  const scraped = new Map<string, { intervalMs: number; sampleLimit: number }>();
  for (const group of groups) {
    const sampleLimit = limitOfLabel(group.labels[SAMPLE_LIMIT_LABEL]);
    const intervalMs = parseDuration(group.labels[INTERVAL_LABEL] ?? '') ?? defaultMs;
    if (sampleLimit !== undefined) scraped.set(targetKey(group), { intervalMs, sampleLimit });
  }
  // Without targets from before there is nothing to keep: what is new follows the settings at once.
  return { samples: new Map(), usual: new Map(), scraped, isStanding: scraped.size > 0 };
}

/** What names a target: its app and unit. */
export function targetKey({ labels }: TargetGroup): string {
  return sampleKey(labels[APP_LABEL] ?? '', labels[UNIT_LABEL] ?? '');
}

/** The interval that a target should have. */
function intervalOf({ labels }: TargetGroup, defaultMs: number): number {
  return parseDuration(labels[WANTED_INTERVAL_LABEL] ?? labels[INTERVAL_LABEL] ?? '') ?? defaultMs;
}
