import { loadOf, type Limit } from '../shared/budget.ts';
import { formatDuration } from '../shared/duration.ts';
import { compareText } from '../shared/text.ts';
import { nextSampleLimit, SAMPLE_LIMITS, sampleLimitFor } from './sample-limits.ts';
import { settle, waterLevel, type Demand, type Settled } from './share.ts';

/** What a target that was never scraped is taken for. */
const UNKNOWN_SAMPLES = 900;
/** The most that a target that was never scraped may expose, were there room for more. */
const UNKNOWN_LIMIT = 16_000;

/** A target as it should be scraped. */
export interface WantedTarget {
  /** Names it among all, such as its address. */
  readonly key: string;
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
  /** One of SAMPLE_LIMITS. */
  readonly sampleLimit: number;
}

export interface PlannedApp {
  readonly app: string;
  readonly targets: readonly PlannedTarget[];
  readonly leftOut: readonly { readonly key: string; readonly reason: string }[];
  /** By how much its intervals are stretched. */
  readonly factor: number;
  /** What its owner should know: stretched intervals, and targets that expose more than they may. */
  readonly notes: readonly string[];
}

export interface ScrapePlan {
  readonly apps: readonly PlannedApp[];
  /** Of the budget, 1 is all. */
  readonly load: number;
  /** What the next plan needs to know, so that it differs only where it must. Worth keeping over a restart. */
  readonly memory: PlanMemory;
}

export interface PlanMemory {
  /** The sample limit of each target, by its key. */
  readonly sampleLimits: ReadonlyMap<string, number>;
  readonly factors: ReadonlyMap<string, number>;
  /** The largest sample limit in each app: a deploy replaces all of its targets by others that most likely expose as much. */
  readonly usual: ReadonlyMap<string, number>;
}

export interface PlanInput {
  readonly apps: readonly WantedApp[];
  /** Of the budget. */
  readonly limits: readonly Limit[];
  readonly memory?: PlanMemory | undefined;
  /** By how much all intervals are stretched at least: what the watchdog says. */
  readonly factor?: number;
}

/** A target with what it is counted for: as many samples as it may expose, so that an app that explodes takes nothing that is not its own. */
interface Booking extends WantedTarget {
  readonly sampleLimit: number;
  /** The limit that it would need, above the one that it has. */
  readonly needs: number | undefined;
}

interface BookedApp {
  readonly app: string;
  readonly bookings: readonly Booking[];
}

/**
 * Which targets are scraped, how often and with which sample limits, so that all that may come of it fits into the budget. Where not all
 * fits, each app is given the same share at most (max-min fairness): apps that need less keep all they want, the others' intervals are
 * stretched, and what does not fit even so is left out. An app that outgrows its sample limit is given more only from what is free.
 */
export function planScrapes({ apps, limits, memory, factor = 1 }: PlanInput): ScrapePlan {
  const loadOfTarget = (samples: number, intervalMs: number): number =>
    loadOf(limits, samples, (samples * 1000) / intervalMs);
  const demandOf = ({ app, bookings }: BookedApp): Demand => ({
    name: app,
    targets: bookings.map(({ key, intervalMs, sampleLimit }) => ({ key, intervalMs, samples: sampleLimit })),
    previousFactor: memory?.factors.get(app) ?? 1,
  });
  const total = (booked: readonly BookedApp[]): number =>
    booked
      .flatMap(({ bookings }) => bookings)
      .reduce((sum, { sampleLimit, intervalMs }) => sum + loadOfTarget(sampleLimit, intervalMs * factor), 0);

  const sorted = apps.toSorted((a, b) => compareText(a.app, b.app));
  const asBefore = sorted.map((wanted) => book(wanted, memory));
  const raised = raise(asBefore, total);
  const booked = giveUnknown(raised, total);
  // What targets that were never scraped are taken for teaches nothing about them.
  const learnt = raised.flatMap(({ app, bookings }) =>
    bookings
      .filter(({ key, samples }) => samples !== undefined || memory?.sampleLimits.has(key) === true)
      .map(({ key, sampleLimit }) => ({ app, key, sampleLimit })),
  );
  const settled = settle(booked.map(demandOf), loadOfTarget, factor);
  return {
    apps: booked.map((app) => planned(app, settled.get(app.app))),
    load: [...settled.values()].reduce((sum, { load }) => sum + load, 0),
    memory: {
      sampleLimits: new Map(learnt.map(({ key, sampleLimit }) => [key, sampleLimit])),
      usual: usualOf(learnt, raised, memory),
      factors: new Map([...settled].map(([app, { factor: stretched }]) => [app, stretched / factor])),
    },
  };
}

function book({ app, targets }: WantedApp, memory: PlanMemory | undefined): BookedApp {
  const limits = targets.map(({ key, samples }) => {
    const previous = memory?.sampleLimits.get(key);
    if (samples === undefined) return { key, sampleLimit: previous, needs: undefined };
    if (previous === undefined) return { key, sampleLimit: sampleLimitFor(samples), needs: undefined };
    const next = nextSampleLimit(previous, samples);
    return next > previous ? { key, sampleLimit: previous, needs: next } : { key, sampleLimit: next, needs: undefined };
  });
  // A unit that is new, or was left out, is most likely as the others of its app are now: taken for less, it would be preferred to them.
  const seen = limits.flatMap(({ sampleLimit, needs }, index) =>
    targets[index]?.samples === undefined || sampleLimit === undefined ? [] : [needs ?? sampleLimit],
  );
  const before = limits.flatMap(({ sampleLimit }) => (sampleLimit === undefined ? [] : [sampleLimit]));
  const unknown = memory?.usual.get(app) ?? sampleLimitFor(UNKNOWN_SAMPLES);
  const usual = Math.max(...(seen.length > 0 ? seen : before.length > 0 ? before : [unknown]));
  return {
    app,
    bookings: targets.map((target, index) => {
      const { sampleLimit = usual, needs } = limits[index] ?? {};
      const isSeen = target.samples !== undefined;
      return {
        ...target,
        sampleLimit: isSeen || seen.length === 0 ? sampleLimit : Math.max(sampleLimit, usual),
        needs,
      };
    }),
  };
}

/** The largest limit of each app that has one, or what it had before. */
function usualOf(
  learnt: readonly { readonly app: string; readonly sampleLimit: number }[],
  apps: readonly BookedApp[],
  memory: PlanMemory | undefined,
): ReadonlyMap<string, number> {
  const largest = new Map<string, number>();
  for (const { app, sampleLimit } of learnt) largest.set(app, Math.max(sampleLimit, largest.get(app) ?? 0));
  return new Map(
    apps.flatMap(({ app }) => {
      const limit = largest.get(app) ?? memory?.usual.get(app);
      return limit === undefined ? [] : [[app, limit]];
    }),
  );
}

/**
 * Raises the limits of apps that need more, those first that need least: of what is free, of what is their share anyway (those above theirs
 * have taken it), and of apps that take their whole share already, as that costs the others nothing: with their old limits they would fail.
 */
function raise(apps: readonly BookedApp[], total: (apps: readonly BookedApp[]) => number): readonly BookedApp[] {
  const loads = new Map(apps.map((app) => [app, total([app])]));
  const wanting = apps
    .filter(({ bookings }) => bookings.some(({ needs }) => needs !== undefined))
    .map((app) => ({ app, raised: total([lift(app)]) }))
    .map((one) => ({ ...one, before: loads.get(one.app) ?? 0 }))
    .toSorted((a, b) => a.raised - a.before - (b.raised - b.before));
  const lifted = new Set<BookedApp>();
  for (const { app, before, raised } of wanting) {
    const levelBefore = waterLevel([...loads.values()], 1);
    loads.set(app, raised);
    const level = waterLevel([...loads.values()], 1);
    if (raised <= level || before >= levelBefore) lifted.add(app);
    else loads.set(app, before);
  }
  return apps.map((app) => (lifted.has(app) ? lift(app) : app));
}

function lift({ app, bookings }: BookedApp): BookedApp {
  return {
    app,
    bookings: bookings.map((one) => ({ ...one, sampleLimit: one.needs ?? one.sampleLimit, needs: undefined })),
  };
}

/** Targets that were never scraped may expose more than they are taken for, all the same, as long as that is free: or a large one's first scrape fails. */
function giveUnknown(apps: readonly BookedApp[], total: (apps: readonly BookedApp[]) => number): readonly BookedApp[] {
  let result = apps;
  for (const limit of SAMPLE_LIMITS) {
    if (limit > UNKNOWN_LIMIT) break;
    const more = apps.map(({ app, bookings }) => ({
      app,
      bookings: bookings.map((one) =>
        one.samples === undefined ? { ...one, sampleLimit: Math.max(limit, one.sampleLimit) } : one,
      ),
    }));
    if (total(more) <= 1) result = more;
  }
  return result;
}

function planned({ app, bookings }: BookedApp, settled: Settled | undefined): PlannedApp {
  const factor = settled?.factor ?? 1;
  const targets: PlannedTarget[] = [];
  const leftOut: { key: string; reason: string }[] = [];
  const notes = new Set<string>();
  for (const { key, sampleLimit, needs, samples, intervalMs: wantedMs } of bookings) {
    const intervalMs = settled?.kept.get(key);
    if (intervalMs === undefined) {
      const reason = `its ${sampleLimit.toLocaleString('en-US')} samples a scrape do not fit into this instance beside the others, even with longer intervals: choose a larger plan, or expose less`;
      leftOut.push({ key, reason });
      continue;
    }
    targets.push({ key, intervalMs, sampleLimit });
    if (intervalMs > wantedMs)
      notes.add(
        `scraped every ${formatDuration(intervalMs)} instead of every ${formatDuration(wantedMs)}: more does not fit into this instance`,
      );
    if (needs !== undefined && samples !== undefined && samples > sampleLimit)
      notes.add(
        `exposes ${samples.toLocaleString('en-US')} samples a scrape, above its limit of ${sampleLimit.toLocaleString('en-US')}, and is not scraped: more does not fit into this instance`,
      );
  }
  return { app, targets, leftOut, factor, notes: [...notes] };
}
