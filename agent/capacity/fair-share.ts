import { compareText } from '../shared/text.ts';

/**
 * The longest interval that others are stretched to. Prometheus looks back 5 minutes for a sample: with more than 2 minutes a single scrape
 * that fails leaves a gap.
 */
const LONGEST_STRETCHED_MS = 120_000;
/** By how much intervals are stretched, longest first: doubled, so that 1 s comes to LONGEST_STRETCHED_MS in few steps. */
const FACTORS = [128, 64, 32, 16, 8, 4, 2, 1] as const;

/** What an app needs of the budget. */
interface Demand {
  readonly name: string;
  readonly targets: readonly DemandedTarget[];
}

interface DemandedTarget {
  readonly key: string;
  readonly intervalMs: number;
  readonly samples: number;
}

/** The share of the budget that such targets take together. */
type LoadOf = (targets: readonly { readonly samples: number; readonly intervalMs: number }[]) => number;

/** What is given out. */
interface Shares {
  /** The interval of each target that is scraped, by its key. */
  readonly intervals: ReadonlyMap<string, number>;
  readonly load: number;
}

/** An app while the budget is given out. */
interface Turn {
  /** The rest, the smallest last; none once the next one does not fit. */
  waiting: DemandedTarget[];
  readonly kept: DemandedTarget[];
  factor: number;
  load: number;
  /** What it would take with its next step: one more target at the longest intervals, or, where none waits, intervals half as long. */
  next: number | undefined;
}

/**
 * Shares the budget, which is 1, among the apps. What fits is scraped as it wants to be. Otherwise the room is given out in steps, each to the
 * app that has least after it (max-min fairness), until no step fits.
 */
export function share(demands: readonly Demand[], loadOf: LoadOf, leastFactor: number): Shares {
  const intervalOf = ({ intervalMs }: DemandedTarget, factor: number): number =>
    stretch(intervalMs, leastFactor * factor);
  const loadAt = (targets: readonly DemandedTarget[], factor: number): number =>
    loadOf(targets.map((target) => ({ samples: target.samples, intervalMs: intervalOf(target, factor) })));

  const all = demands.flatMap(({ targets }) => targets);
  const wantedLoad = loadAt(all, 1);
  if (wantedLoad <= 1)
    return { intervals: new Map(all.map((target) => [target.key, intervalOf(target, 1)])), load: wantedLoad };

  const longest = FACTORS[0];
  const nextLoad = ({ waiting, kept, factor, load }: Turn): number | undefined => {
    const first = waiting.at(-1);
    if (first !== undefined) return load + loadAt([first], longest);
    return factor > 1 ? loadAt(kept, shorter(factor)) : undefined;
  };
  const turns = demands.map(({ targets }): Turn => {
    const waiting = targets.toSorted(
      (a, b) => loadAt([b], longest) - loadAt([a], longest) || compareText(b.key, a.key),
    );
    const turn = { waiting, kept: [], factor: longest, load: 0, next: undefined };
    return { ...turn, next: nextLoad(turn) };
  });
  let free = 1;
  for (let turn = leastOf(turns); turn?.next !== undefined; turn = leastOf(turns)) {
    const target = turn.waiting.pop();
    const more = turn.next - turn.load;
    if (more > free) {
      // Those after it are larger, and intervals that are still shorter take more.
      turn.waiting = [];
      turn.next = target === undefined ? undefined : nextLoad(turn);
      continue;
    }
    free -= more;
    turn.load = turn.next;
    if (target === undefined) turn.factor = shorter(turn.factor);
    else turn.kept.push(target);
    turn.next = nextLoad(turn);
  }
  const intervals = turns.flatMap(({ kept, factor }) =>
    kept.map((target): [string, number] => [target.key, intervalOf(target, factor)]),
  );
  return { intervals: new Map(intervals), load: 1 - free };
}

/** The app that has least after its next step, the first by name of equal ones; undefined when none has a step left. */
function leastOf(turns: readonly Turn[]): Turn | undefined {
  let least: Turn | undefined;
  for (const turn of turns) {
    if (turn.next === undefined) continue;
    const difference = least?.next === undefined ? -1 : turn.next - least.next;
    if (difference < 0) least = turn;
  }
  return least;
}

function shorter(factor: number): number {
  return FACTORS.find((one) => one < factor) ?? 1;
}

/** The interval that is this many times longer, up to the longest, and never shorter than wanted. */
export function stretch(intervalMs: number, factor: number): number {
  return Math.max(intervalMs, Math.min(intervalMs * factor, LONGEST_STRETCHED_MS));
}
