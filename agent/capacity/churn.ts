import { listNames } from '../shared/text.ts';

/** From this many times the budget's series on, apps are paused. The budget allows for a quarter more; what is above is what memory can still bear. */
const TROUBLE_SHARE = 1.75;
/** Below this many times the budget's series all apps are scraped again: what the budget allows for anyway. */
const ROOM_SHARE = 1.25;
/** How long an app is paused at least: Prometheus frees its series only when the head is cut. */
const PAUSE_MS = 5 * 60_000;
/** How long a pause takes to show: Prometheus takes new targets every five seconds, and is looked at as often. */
const PATIENCE_MS = 12_000;
/** More are paused when there are this many times the series that there were once the last pause showed. */
const GROWTH = 1.1;
/** An app that made less than this share of the worst one's new series is not paused: a changed sample limit makes a target start again, too. */
const LEAST_SHARE = 0.1;

/** Where all apps together made less than this share of what is too much, they are not its cause, but apps that exploded, whose scrapes fail now. */
const CAUSE_SHARE = 0.25;

/** What is seen of Prometheus' head at a moment. */
export interface HeadLook {
  readonly atMs: number;
  /** Series in the head: all that were scraped since it was last cut. */
  readonly series: number;
  /** How many each app made in the last minutes, beside those that each of its targets has. */
  readonly made: ReadonlyMap<string, number>;
}

/** Which apps are paused because they make new series all the time. */
export interface ChurnState {
  readonly paused: ReadonlySet<string>;
  readonly changedMs: number;
  /** How many series there were once the last pause showed. */
  readonly settledSeries: number | undefined;
}

export const NO_CHURN: ChurnState = { paused: new Set(), changedMs: -Infinity, settledSeries: undefined };

/** Whether the apps that made the series have to be found out. */
export function isHeadFull(series: number, budgetSeries: number): boolean {
  return series >= budgetSeries * TROUBLE_SHARE;
}

/**
 * One look at the head: when it holds far more series than the budget, the apps that made most of them lately are paused, as many as made what
 * is too much; once it is cut, all are scraped again. Longer intervals would not do: each scrape of such an app is as many new series, and none
 * goes before the head is cut. Pure.
 */
export function watchChurn(state: ChurnState, { atMs, series, made }: HeadLook, budgetSeries: number): ChurnState {
  const waitedMs = atMs - state.changedMs;
  if (!isHeadFull(series, budgetSeries)) {
    const isOver = state.paused.size > 0 && series < budgetSeries * ROOM_SHARE && waitedMs >= PAUSE_MS;
    return isOver ? { ...NO_CHURN, changedMs: atMs } : state;
  }
  if (waitedMs < PATIENCE_MS) return state;
  if (state.paused.size > 0) {
    if (state.settledSeries === undefined) return { ...state, settledSeries: series };
    if (series < state.settledSeries * GROWTH) return state;
  }
  const more = worst(state, made, series - budgetSeries);
  if (more.length === 0) return state;
  return { paused: new Set([...state.paused, ...more]), changedMs: atMs, settledSeries: undefined };
}

/** The apps that made most, as many as made this many series, or as made a considerable part of them. */
function worst({ paused }: ChurnState, made: ReadonlyMap<string, number>, tooMany: number): readonly string[] {
  const makers = [...made].filter(([app, count]) => count > 0 && !paused.has(app)).sort(([, a], [, b]) => b - a);
  const least = (makers[0]?.[1] ?? 0) * LEAST_SHARE;
  if (makers.reduce((sum, [, count]) => sum + count, 0) < tooMany * CAUSE_SHARE) return [];
  let rest = tooMany;
  return makers.flatMap(([app, count]) => {
    if (rest <= 0 || count < least) return [];
    rest -= count;
    return [app];
  });
}

/** Where its events go; undefined without a problem. */
export function describeChurn({ paused }: ChurnState, series: number, budgetSeries: number): string | undefined {
  if (series < budgetSeries * TROUBLE_SHARE && paused.size === 0) return undefined;
  const held = `Prometheus holds ${number(series)} series, where there is room for ${number(budgetSeries)}`;
  if (paused.size === 0) return `${held}: they go with the next block`;
  return `${held}: ${listNames([...paused].sort())} made most of them and ${paused.size === 1 ? 'is' : 'are'} not scraped until there is room; most often labels are the cause whose values keep changing (ids, times)`;
}

/** Why the units of a paused app are not scraped. */
export const PAUSED =
  'its app makes so many new series that Prometheus would run out of memory, so it is not scraped until there is capacity: expose less, and no labels whose values keep changing (ids, times)';

function number(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
