import { compareText } from '../shared/text.ts';

/**
 * The longest interval that others are stretched to. Prometheus looks back 5 minutes for a sample: with more than 2 minutes a single scrape
 * that fails leaves a gap.
 */
const LONGEST_STRETCHED_MS = 120_000;
/** By how much intervals may be stretched: few steps, so that small changes change nothing. */
const FACTORS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128] as const;
/** An interval becomes shorter again only where that leaves some of the share free. */
const SHORTEN_BELOW = 0.9;
/** An app that uses less of its share than this leaves the rest to the others. */
const USED_SHARE = 0.9;

/** What an app needs of the budget. */
export interface Demand {
  readonly name: string;
  readonly targets: readonly DemandedTarget[];
  /** How much its intervals were stretched before. */
  readonly previousFactor: number;
}

interface DemandedTarget {
  readonly key: string;
  readonly intervalMs: number;
  readonly samples: number;
}

/** What an app is given. */
export interface Settled {
  readonly factor: number;
  /** The interval of each target that is scraped. */
  readonly kept: ReadonlyMap<string, number>;
  readonly load: number;
}

interface Levels {
  /** The most that an app may take. */
  readonly level: number;
  /** The most that it may take with shorter intervals than before. */
  readonly shorten: number;
}

type LoadOf = (samples: number, intervalMs: number) => number;

/** Shares the budget, which is 1, among the apps. */
export function settle(demands: readonly Demand[], loadOf: LoadOf, leastFactor: number): ReadonlyMap<string, Settled> {
  const wanted = demands.map((demand) => ({ demand, load: stretched(demand, leastFactor, loadOf).load }));
  const settled = new Map<string, Settled>();
  let open = wanted;
  let free = 1;
  while (open.length > 0) {
    const loads = open.map(({ load }) => load);
    const level = waterLevel(loads, free);
    const levels = { level, shorten: waterLevel(loads, free * SHORTEN_BELOW) };
    const now = open.map(({ demand, load }) => ({ demand, load, given: give(demand, levels, loadOf, leastFactor) }));
    // Who cannot use its share leaves it to those who can.
    const below = now.filter(({ load, given }) => load > level && given.load < level * USED_SHARE);
    const done = below.length === 0 || below.length === now.length ? now : below;
    for (const { demand, given } of done) {
      settled.set(demand.name, given);
      free -= given.load;
    }
    open = open.filter(({ demand }) => !settled.has(demand.name));
  }
  return fill(demands, settled, free, loadOf);
}

/** Gives away what no app could use as its share: one more target to each in turn, those first that have least, as long as that fits. */
function fill(
  demands: readonly Demand[],
  settled: ReadonlyMap<string, Settled>,
  unused: number,
  loadOf: LoadOf,
): ReadonlyMap<string, Settled> {
  let free = unused;
  let waiting = demands.flatMap(({ name, targets }) => {
    const given = settled.get(name);
    if (given === undefined || given.kept.size === targets.length) return [];
    const rest = smallFirst(targets.filter(({ key }) => !given.kept.has(key)));
    return [{ name, factor: given.factor, kept: new Map(given.kept), load: given.load, rest, next: 0 }];
  });
  const nextSamples = ({ rest, next }: (typeof waiting)[number]): number => rest[next]?.samples ?? 0;
  const filled = new Map(settled);
  while (waiting.length > 0) {
    waiting.sort((a, b) => a.load - b.load || nextSamples(a) - nextSamples(b) || compareText(a.name, b.name));
    waiting = waiting.filter((app) => {
      const target = app.rest[app.next++];
      if (target === undefined) return false;
      const intervalMs = stretch(target.intervalMs, app.factor);
      const load = loadOf(target.samples, intervalMs);
      if (load > free) return false;
      free -= load;
      app.load += load;
      app.kept.set(target.key, intervalMs);
      filled.set(app.name, { factor: app.factor, kept: app.kept, load: app.load });
      return true;
    });
  }
  return filled;
}

/** The most that each may take so that all together take no more than there is: those who want less leave theirs to the others. */
export function waterLevel(loads: readonly number[], free: number): number {
  let left = free;
  const ascending = loads.toSorted((a, b) => a - b);
  for (const [index, load] of ascending.entries()) {
    const level = left / (ascending.length - index);
    if (load > level) return level;
    left -= load;
  }
  return Infinity;
}

/** Stretches an app's intervals until it fits, and leaves out what does not even so. */
function give(demand: Demand, { level, shorten }: Levels, loadOf: LoadOf, leastFactor: number): Settled {
  let given = stretched(demand, leastFactor, loadOf);
  for (const factor of FACTORS) {
    given = stretched(demand, leastFactor * factor, loadOf);
    if (given.load <= (factor < demand.previousFactor ? shorten : level)) return given;
  }
  return leaveOut(demand, given, level, loadOf);
}

function stretched({ targets }: Demand, factor: number, loadOf: LoadOf): Settled {
  const kept = new Map(targets.map(({ key, intervalMs }) => [key, stretch(intervalMs, factor)]));
  const load = targets.reduce((sum, { samples, intervalMs }) => sum + loadOf(samples, stretch(intervalMs, factor)), 0);
  return { factor, kept, load };
}

function stretch(intervalMs: number, factor: number): number {
  return Math.max(intervalMs, Math.min(intervalMs * factor, LONGEST_STRETCHED_MS));
}

/** Keeps as many targets as fit, the small ones first. */
function leaveOut({ targets }: Demand, longest: Settled, level: number, loadOf: LoadOf): Settled {
  const kept = new Map<string, number>();
  let load = 0;
  for (const { key, samples, intervalMs: wantedMs } of smallFirst(targets)) {
    const intervalMs = stretch(wantedMs, longest.factor);
    const more = loadOf(samples, intervalMs);
    if (load + more > level) continue;
    kept.set(key, intervalMs);
    load += more;
  }
  return { factor: longest.factor, kept, load };
}

function smallFirst(targets: readonly DemandedTarget[]): readonly DemandedTarget[] {
  return targets.toSorted((a, b) => a.samples - b.samples || compareText(a.key, b.key));
}
