import type { AppDetails, KnownApp, KnownApps, Unit } from './known-apps.ts';
import type { LeftOutReason } from '../shared/status.ts';
import { compareText, count } from '../shared/text.ts';
import { renderGroup, type TargetGroup } from './target-group.ts';
import { addressOf, TSURU_PORT } from './unit-address.ts';
import { readScrapeAnnotations, type ScrapeDefaults, type ScrapeAnnotations } from './annotations.ts';
import { labelsOf, UNIT_LABEL, validValue } from './labels.ts';

/** A unit that is scraped. */
export interface Target {
  readonly unit: Unit;
  readonly address: string;
  readonly group: TargetGroup;
  /** Set where the port is only Tsuru's default for a process other than web, which may well listen on nothing. */
  readonly guessedPort: boolean;
}

/** A unit that is not scraped, with a reason that its user understands. */
export interface LeftOut {
  readonly unit: Unit;
  readonly reason: LeftOutReason;
  readonly text: string;
}

export interface AppDiscovery {
  readonly known: KnownApp;
  readonly targets: readonly Target[];
  readonly leftOut: readonly LeftOut[];
  /** Its groups: of the targets, or those of the last target file. */
  readonly groups: readonly TargetGroup[];
  /** The groups as the target file has them, and after them those of targets that are left out and only measured. */
  readonly texts: readonly string[];
  /** Annotations that make no sense, and the like, in sentences. */
  readonly problems: readonly string[];
}

/** What is to be scraped of all apps. Apps, and the targets and groups of each, are in order. */
export interface Discovery {
  readonly apps: readonly AppDiscovery[];
  readonly groups: readonly TargetGroup[];
}

export interface DiscoveryOptions {
  readonly scrape: ScrapeDefaults;
  /** The most targets that one app may have. */
  readonly targetsPerApp: number;
}

/** What was discovered of apps with the same options: of an app about which nothing new is known, it is the same object again. */
export type Discovered = WeakMap<KnownApp, AppDiscovery>;

/** The most problems of one app that are reported: each is a line of the log. */
const MOST_PROBLEMS = 20;

/** Statuses in which a unit does not listen yet, or never again, and what that means. A status not known here is scraped. */
const NOT_RUNNING = new Map<string, { reason: LeftOutReason; text: string }>([
  ['created', { reason: 'created', text: 'it is being created: no address to scrape yet' }],
  ['building', { reason: 'building', text: 'it is being built' }],
  ['stopped', { reason: 'stopped', text: 'it is stopped' }],
  ['succeeded', { reason: 'succeeded', text: 'it has ended' }],
]);

/** Every unit of every app is either a target or left out with a reason. The same apps in another order give the same result. */
export function discover(apps: KnownApps, options: DiscoveryOptions, before: Discovered = new WeakMap()): Discovery {
  const discovered = [...apps.values()]
    .filter(({ formerTeam }) => formerTeam === undefined)
    .sort((a, b) => compareText(a.app.name, b.app.name))
    .map((known) => {
      const app = before.get(known) ?? discoverApp(known, options);
      before.set(known, app);
      return app;
    });
  return { apps: discovered, groups: discovered.flatMap(({ groups }) => groups) };
}

function discoverApp(known: KnownApp, options: DiscoveryOptions): AppDiscovery {
  if (known.fromTargetFile !== undefined) {
    return {
      known,
      targets: [],
      leftOut: [],
      groups: known.fromTargetFile,
      texts: known.fromTargetFile.map(renderGroup),
      problems: [],
    };
  }
  const leftOut: LeftOut[] = [];
  const problems = new Set<string>();
  const processes = new Set<string>();
  const annotatedOf = annotationsByProcess(known, options.scrape);
  const candidates: Target[] = [];
  for (const unit of known.units) {
    const annotated = annotatedOf(unit.process);
    if (!processes.has(unit.process))
      annotated.problems.forEach((problem) => problems.add(withProcess(problem, unit.process)));
    processes.add(unit.process);
    const found = targetOf(known, unit, annotated);
    if ('reason' in found) leftOut.push(found);
    else candidates.push(found);
  }
  // Without units, the app's own annotations are read anyway.
  if (known.units.length === 0) annotatedOf('').problems.forEach((problem) => problems.add(problem));
  const unique = separate(candidates);
  const allowed = unique.targets.slice(0, options.targetsPerApp);
  const excess = unique.targets.slice(options.targetsPerApp).map(({ unit }): LeftOut => ({
    unit,
    reason: 'target_limit',
    text: `the limit of ${count(options.targetsPerApp, 'target')} an app is reached`,
  }));
  const groups = allowed.map(({ group }) => group);
  return {
    known,
    targets: allowed,
    leftOut: [...leftOut, ...unique.leftOut, ...excess].sort(compareLeftOut),
    groups,
    texts: groups.map(renderGroup),
    problems: firstOf([...problems].sort(compareText)),
  };
}

function withProcess(problem: string, process: string): string {
  return process === '' ? problem : `${problem} (process ${process})`;
}

/** The first of many problems of one app, and how many more there are. */
function firstOf(problems: readonly string[]): readonly string[] {
  const more = problems.length - MOST_PROBLEMS;
  return more > 0 ? [...problems.slice(0, MOST_PROBLEMS), `there are ${more} more problems like these`] : problems;
}

/** The annotated of each process, read once a process. */
function annotationsByProcess(
  { app, details }: KnownApp,
  defaults: ScrapeDefaults,
): (process: string) => ScrapeAnnotations {
  const read = new Map<string, ScrapeAnnotations>();
  return (process) => {
    const known = read.get(process);
    if (known !== undefined) return known;
    const annotated = readScrapeAnnotations(app.annotations, annotationsOf(details, process), defaults);
    read.set(process, annotated);
    return annotated;
  };
}

function annotationsOf(details: AppDetails | undefined, process: string): Readonly<Record<string, string>> {
  return details !== undefined && Object.hasOwn(details.processes, process) ? (details.processes[process] ?? {}) : {};
}

function targetOf(known: KnownApp, unit: Unit, annotated: ScrapeAnnotations): Target | LeftOut {
  if (unit.process === '') {
    return {
      unit,
      reason: 'no_process',
      text: 'it belongs to no process: a one-off unit of "tsuru app run" or "tsuru app shell"',
    };
  }
  const notRunning = NOT_RUNNING.get(unit.status.toLowerCase());
  if (notRunning !== undefined) return { unit, ...notRunning };
  if (!annotated.scrape)
    return { unit, reason: 'opted_out', text: 'the annotation prometheus.io/scrape=false asks for it' };
  const found = addressOf(unit, known.details, annotated.port);
  if (found.kind === 'none') return { unit, reason: found.reason, text: found.text };
  return {
    unit,
    address: found.address,
    group: {
      targets: [found.address],
      labels: { ...labelsOf(known.app, unit, known.details), ...valid(annotated.labels) },
    },
    guessedPort: unit.process !== 'web' && !found.fromAnnotation && found.address.endsWith(`:${TSURU_PORT}`),
  };
}

function valid(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, validValue(value)]));
}

/**
 * In order, and no two units as one target: what Prometheus tells apart is the unit's label. A unit without a name gets its address as
 * one, units with one name get their addresses added; what then still has both in common is one unit, listed twice.
 */
function separate(candidates: readonly Target[]): { targets: readonly Target[]; leftOut: readonly LeftOut[] } {
  const byName = Map.groupBy(
    candidates.map((target) => nameTarget(target, nameOf(target) || target.address)),
    nameOf,
  );
  const named = [...byName].flatMap(([name, sameName]) =>
    sameName.length === 1 ? sameName : sameName.map((target) => nameTarget(target, `${name} (${target.address})`)),
  );
  const seen = new Set<string>();
  const targets: Target[] = [];
  const leftOut: LeftOut[] = [];
  for (const target of named.sort(compareTargets)) {
    const key = `${target.address} ${nameOf(target)}`;
    if (seen.has(key)) {
      const text = `Tsuru lists it twice with the address ${target.address}`;
      leftOut.push({ unit: target.unit, reason: 'listed_twice', text });
    } else {
      seen.add(key);
      targets.push(target);
    }
  }
  return { targets, leftOut };
}

function nameOf(target: Target): string {
  return target.group.labels[UNIT_LABEL] ?? '';
}

function nameTarget(target: Target, name: string): Target {
  const { group } = target;
  if (group.labels[UNIT_LABEL] === name) return target;
  return { ...target, group: { ...group, labels: { ...group.labels, [UNIT_LABEL]: name } } };
}

function compareTargets(a: Target, b: Target): number {
  return (
    compareUnits(a.unit, b.unit) ||
    compareText(a.address, b.address) ||
    compareText(JSON.stringify(a), JSON.stringify(b))
  );
}

function compareLeftOut(a: LeftOut, b: LeftOut): number {
  return compareUnits(a.unit, b.unit) || compareText(JSON.stringify(a), JSON.stringify(b));
}

function compareUnits(a: Unit, b: Unit): number {
  return compareText(a.process, b.process) || compareText(a.name, b.name) || compareText(a.id, b.id);
}
