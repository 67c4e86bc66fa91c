import type { AppDiscovery, Discovery, LeftOut } from '../discovery/discover.ts';
import { UNIT_LABEL } from '../discovery/labels.ts';
import { formatDuration, parseDuration } from '../shared/duration.ts';
import type { Limit } from '../shared/budget.ts';
import { APP_LABEL, renderGroup, type TargetGroup } from '../targets/groups.ts';
import { planScrapes, type PlanMemory, type PlannedApp, type ScrapePlan } from './plan.ts';
import { SAMPLE_LIMIT_LABEL } from './sample-limits.ts';
import { sampleKey } from './samples.ts';

const INTERVAL_LABEL = '__scrape_interval__';

export interface FitOptions {
  readonly limits: readonly Limit[];
  /** What each target exposes a scrape, by sampleKey. */
  readonly samples: ReadonlyMap<string, number>;
  /** By how much all intervals are stretched at least. */
  readonly factor: number;
  /** Of targets without an interval of their own. */
  readonly intervalMs: number;
  readonly memory: PlanMemory | undefined;
}

/**
 * What of a discovery is scraped, and how often, so that it fits: each target with its sample limit as a label, intervals stretched where there
 * is too little room, and what does not fit even so left out with the reason.
 */
export function fit(
  discovery: Discovery,
  { limits, samples, factor, intervalMs, memory }: FitOptions,
): { readonly discovery: Discovery; readonly plan: ScrapePlan } {
  const plan = planScrapes({
    apps: discovery.apps.map(({ known, groups }) => ({
      app: known.app.name,
      targets: groups.map((group) => {
        const key = targetKey(group);
        return { key, intervalMs: intervalOf(group, intervalMs), samples: samples.get(key) };
      }),
    })),
    limits,
    memory,
    factor,
  });
  const planned = new Map(plan.apps.map((app) => [app.app, app]));
  const apps = discovery.apps.map((app) => fitApp(app, planned.get(app.known.app.name), intervalMs));
  return { discovery: { apps, groups: apps.flatMap(({ groups }) => groups) }, plan };
}

function fitApp(app: AppDiscovery, planned: PlannedApp | undefined, defaultMs: number): AppDiscovery {
  if (planned === undefined) return app;
  const given = new Map(planned.targets.map((target) => [target.key, target]));
  const reasons = new Map(planned.leftOut.map(({ key, reason }) => [key, reason]));
  const fitted = (group: TargetGroup): TargetGroup | undefined => {
    const target = given.get(targetKey(group));
    if (target === undefined) return undefined;
    const interval =
      target.intervalMs === intervalOf(group, defaultMs) ? {} : { [INTERVAL_LABEL]: formatDuration(target.intervalMs) };
    const labels = { ...group.labels, ...interval, [SAMPLE_LIMIT_LABEL]: String(target.sampleLimit) };
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
    problems: [...app.problems, ...planned.notes],
  };
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

function intervalOf({ labels }: TargetGroup, defaultMs: number): number {
  return parseDuration(labels[INTERVAL_LABEL] ?? '') ?? defaultMs;
}
