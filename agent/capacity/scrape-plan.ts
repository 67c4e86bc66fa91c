import { loadOf, type Limit } from '../shared/budget.ts';
import { formatDuration } from '../shared/duration.ts';
import { compareText } from '../shared/text.ts';
import { PROBE_LIMIT, sampleLimitFor } from '../discovery/sample-limits.ts';
import { share, stretch } from './fair-share.ts';

/** What a target is taken for while nothing is known of its process: about what a Go or Node app exposes. */
const UNKNOWN_SAMPLES = 500;
/**
 * What a target is taken for follows its measurement only once that is this many times more or less: a change within this margin changes no plan.
 * Where not all fits, targets are counted for as much more, so that what they may grow meanwhile fits.
 */
export const MARGIN = 1.1;

/** Without a name, as the agent does not know that of the instance. */
const REMEDY = 'expose less, or choose a larger plan with "tsuru service-instance-update -p PLAN"';

/** A target as it should be scraped. */
export interface WantedTarget {
  /** Names it among all, such as its app and unit. */
  readonly key: string;
  /** Targets of one process most likely expose as much. */
  readonly process: string;
  readonly intervalMs: number;
  /** Of its last scrape, after metric relabelling, also of one that failed by its sample limit; undefined when there was none. */
  readonly samples: number | undefined;
}

export interface WantedApp {
  readonly app: string;
  readonly targets: readonly WantedTarget[];
}

/** A target as it is scraped. */
export interface PlannedTarget {
  readonly key: string;
  readonly intervalMs: number;
  /** One of SAMPLE_LIMITS, or PROBE_LIMIT. */
  readonly sampleLimit: number;
  /** Whether it is left out: its scrapes fail by its sample limit and only measure how much it exposes. */
  readonly isProbe: boolean;
}

export interface PlannedApp {
  readonly app: string;
  readonly targets: readonly PlannedTarget[];
  /** Also of those that are only measured. */
  readonly leftOut: readonly { readonly key: string; readonly reason: string }[];
  /** What its owner should know: stretched intervals. */
  readonly notes: readonly string[];
}

export interface ScrapePlan {
  readonly apps: readonly PlannedApp[];
  /** Of the budget, 1 is all. */
  readonly load: number;
  /** What the next plan needs to know, so that it differs only where it must. */
  readonly memory: PlanMemory;
}

interface Scrape {
  readonly intervalMs: number;
  readonly sampleLimit: number;
}

export interface PlanMemory {
  /** What each target is taken for, by its key. */
  readonly samples: ReadonlyMap<string, number>;
  /** What the targets of each process exposed last, by its app and name: a deploy replaces all of them. */
  readonly usual: ReadonlyMap<string, number>;
  /** How each target is scraped, by its key. */
  readonly scraped: ReadonlyMap<string, Scrape>;
  /** Whether they are kept because Prometheus has not measured the targets yet, after a restart. */
  readonly isStanding: boolean;
}

const NO_MEMORY: PlanMemory = { samples: new Map(), usual: new Map(), scraped: new Map(), isStanding: false };

export interface PlanInput {
  readonly apps: readonly WantedApp[];
  /** Of the budget. */
  readonly limits: readonly Limit[];
  readonly memory?: PlanMemory | undefined;
  /** By how much all intervals are stretched at least: what the watchdog says. */
  readonly factor?: number;
}

/** A target with what it is taken for: undefined while nothing is known of its process. */
interface Booking extends WantedTarget {
  readonly taken: number | undefined;
}

interface BookedApp {
  readonly app: string;
  readonly bookings: readonly Booking[];
}

/**
 * Which targets are scraped, how often and with which sample limits, so that it fits into the budget. Targets count for what they are
 * measured to expose. What fits is scraped as it wants to be. Where not all fits, each app is given the same share at most: those that need
 * less keep all they want, the others are scraped less often, and what does not fit even so is left out. One left out of each process is
 * still measured, so that it is scraped again once it fits.
 */
export function planScrapes({ apps, limits, memory = NO_MEMORY, factor = 1 }: PlanInput): ScrapePlan {
  const loadOfTargets = (targets: readonly { readonly samples: number; readonly intervalMs: number }[]): number =>
    loadOf(
      limits,
      targets.reduce((sum, { samples }) => sum + samples, 0),
      targets.reduce((sum, { samples, intervalMs }) => sum + (samples * 1000) / intervalMs, 0),
    );
  const loadOfAll = (booked: readonly BookedApp[]): number =>
    loadOfTargets(
      booked.flatMap(({ bookings }) =>
        bookings.map(({ taken = 0, intervalMs }) => ({ samples: taken, intervalMs: stretch(intervalMs, factor) })),
      ),
    );

  const sorted = apps.toSorted((a, b) => compareText(a.app, b.app));
  const booked = bookAll(sorted, memory, loadOfAll);
  const isStanding = (key: string): boolean => memory.isStanding && memory.scraped.has(key);
  const intervals = new Map<string, number>();
  const counted = loadOfAll(booked) > 1 ? MARGIN : 1;
  const demands = booked.map(({ app, bookings }) => ({
    name: app,
    targets: bookings
      .filter(({ key, taken }) => taken !== undefined && !isStanding(key))
      .map(({ key, intervalMs, taken = 0 }) => ({ key, intervalMs, samples: taken * counted })),
  }));
  const shared = share(demands, loadOfTargets, factor);
  for (const [key, intervalMs] of shared.intervals) intervals.set(key, intervalMs);
  // Those of which nothing is known take nothing from others: where nothing is free, one of each process is measured first.
  let free = 1 - shared.load;
  for (const { key, taken, intervalMs: wantedMs } of booked.flatMap(({ bookings }) => bookings)) {
    if (taken !== undefined || isStanding(key)) continue;
    const intervalMs = stretch(wantedMs, factor);
    const load = loadOfTargets([{ samples: UNKNOWN_SAMPLES, intervalMs }]);
    if (load > free) continue;
    free -= load;
    intervals.set(key, intervalMs);
  }
  if (memory.isStanding) for (const [key, { intervalMs }] of memory.scraped) intervals.set(key, intervalMs);
  const planned = booked.map((app) => plan(app, intervals, memory));
  return { apps: planned, load: 1 - free, memory: remember(booked, planned, memory) };
}

/** What all targets are taken for: as before within the margin, but as measured where that makes all fit. */
function bookAll(
  apps: readonly WantedApp[],
  memory: PlanMemory,
  loadOfAll: (booked: readonly BookedApp[]) => number,
): readonly BookedApp[] {
  const steady = apps.map((app) => book(app, memory, MARGIN));
  if (loadOfAll(steady) <= 1) return steady;
  const exact = apps.map((app) => book(app, memory, 1));
  return loadOfAll(exact) <= 1 ? exact : steady;
}

function book({ app, targets }: WantedApp, memory: PlanMemory, margin: number): BookedApp {
  const measured = new Map(
    targets.flatMap(({ key, samples }) => {
      if (samples === undefined) return [];
      const before = memory.samples.get(key);
      const isNear = before !== undefined && samples <= before * margin && samples >= before / margin;
      return [[key, isNear ? before : samples]];
    }),
  );
  const ofProcess = usualOf(targets, measured);
  return {
    app,
    bookings: targets.map((target) => {
      const { key, process } = target;
      const own = measured.get(key);
      if (own !== undefined) return { ...target, taken: own };
      // One that is left out keeps what it exposed: taken for less, it would be scraped and left out in turn.
      const known = Math.max(ofProcess.get(process) ?? 0, memory.samples.get(key) ?? 0);
      return { ...target, taken: known > 0 ? known : memory.usual.get(processKey(app, process)) };
    }),
  };
}

/** What the targets of each process expose: the median of those that are measured, as one of them may have exploded. */
function usualOf(targets: readonly WantedTarget[], measured: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const usual = new Map<string, number>();
  for (const [process, ofProcess] of Map.groupBy(targets, ({ process }) => process)) {
    const samples = ofProcess.flatMap(({ key }) => measured.get(key) ?? []).sort((a, b) => a - b);
    const median = samples[Math.floor(samples.length / 2)];
    if (median !== undefined) usual.set(process, median);
  }
  return usual;
}

function remember(booked: readonly BookedApp[], planned: readonly PlannedApp[], memory: PlanMemory): PlanMemory {
  const samples = new Map<string, number>();
  const apps = new Set(booked.map(({ app }) => app));
  const usual = new Map([...memory.usual].filter(([process]) => apps.has(appOf(process))));
  for (const { app, bookings } of booked) {
    const measured = new Map(
      bookings.flatMap(({ key, samples, taken }) =>
        samples === undefined || taken === undefined ? [] : [[key, taken]],
      ),
    );
    // What a target that was never scraped is taken for teaches nothing about it.
    for (const { key } of bookings) {
      const known = measured.get(key) ?? memory.samples.get(key);
      if (known !== undefined) samples.set(key, known);
    }
    for (const [process, median] of usualOf(bookings, measured)) usual.set(processKey(app, process), median);
  }
  const targets = planned.flatMap((app) => app.targets).filter(({ sampleLimit }) => sampleLimit !== PROBE_LIMIT);
  const scraped = new Map(targets.map(({ key, intervalMs, sampleLimit }) => [key, { intervalMs, sampleLimit }]));
  return { samples, usual, scraped, isStanding: memory.isStanding };
}

/** An app's name has no space. */
function processKey(app: string, process: string): string {
  return `${app} ${process}`;
}

function appOf(processKey: string): string {
  return processKey.slice(0, processKey.indexOf(' '));
}

function plan({ app, bookings }: BookedApp, intervals: ReadonlyMap<string, number>, memory: PlanMemory): PlannedApp {
  const sorted = bookings.toSorted((a, b) => compareText(a.key, b.key));
  const targets: PlannedTarget[] = [];
  const leftOut: { key: string; reason: string }[] = [];
  const notes = new Set<string>();
  const rest: Booking[] = [];
  const measured = new Set<string>();
  for (const booking of sorted) {
    const { key, process, intervalMs: wantedMs, samples, taken = UNKNOWN_SAMPLES } = booking;
    const before = memory.scraped.get(key);
    const intervalMs = intervals.get(key);
    if (intervalMs !== undefined) {
      const sampleLimit = samples === undefined ? before?.sampleLimit : sampleLimitFor(samples, before?.sampleLimit);
      targets.push({ key, intervalMs, sampleLimit: sampleLimit ?? sampleLimitFor(taken, undefined), isProbe: false });
      if (intervalMs > wantedMs) notes.add(tooMany(intervalMs, wantedMs));
      continue;
    }
    leftOut.push({ key, reason: tooLarge(taken) });
    if (before !== undefined && taken > before.sampleLimit) {
      // One that exploded stays where it is, as its scrapes fail there: what ends them has Prometheus before 3.12 make all its series (its issue 16427).
      targets.push({ key, ...before, isProbe: true });
      measured.add(process);
    } else rest.push(booking);
  }
  for (const { key, process, intervalMs } of rest) {
    if (measured.has(process)) continue;
    targets.push({ key, intervalMs, sampleLimit: PROBE_LIMIT, isProbe: true });
    measured.add(process);
  }
  return { app, targets, leftOut, notes: [...notes] };
}

function tooLarge(samples: number): string {
  return `over capacity: needs room for ${Math.ceil(samples).toLocaleString('en-US')} samples per scrape; ${REMEDY}`;
}

function tooMany(intervalMs: number, wantedMs: number): string {
  return `over capacity: scraped every ${formatDuration(intervalMs)} instead of every ${formatDuration(wantedMs)}; ${REMEDY}`;
}
