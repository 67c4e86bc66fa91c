import { isProblem, type AppStatus, type Status, type UnitStatus } from '../shared/status.ts';

/** How a unit fares. `waiting`: Prometheus has not scraped it yet, or has not told. */
export const UNIT_STATES = ['up', 'down', 'waiting', 'out'] as const;
export type UnitState = (typeof UNIT_STATES)[number];

export const STATE_WORDS: Readonly<Record<UnitState, string>> = {
  up: 'up',
  down: 'down',
  waiting: 'waiting',
  out: 'not scraped',
};

/** A unit with its app. */
export interface Row {
  readonly app: AppStatus;
  readonly unit: UnitStatus;
  readonly state: UnitState;
  /** Whether somebody has to do something about it. */
  readonly isProblem: boolean;
}

export type Counts = Readonly<Record<UnitState | 'all' | 'problems', number>>;

function stateOf(unit: UnitStatus): UnitState {
  if ('leftOut' in unit) return 'out';
  return unit.health === 'up' || unit.health === 'down' ? unit.health : 'waiting';
}

export function rowsOf({ apps }: Pick<Status, 'apps'>): readonly Row[] {
  return apps.flatMap((app) =>
    app.units.map((unit) => {
      const state = stateOf(unit);
      return { app, unit, state, isProblem: 'leftOut' in unit ? isProblem(unit.reason) : state === 'down' };
    }),
  );
}

export function countsOf(rows: readonly Row[]): Counts {
  const counts = { up: 0, down: 0, waiting: 0, out: 0, all: rows.length, problems: 0 };
  for (const { state, isProblem: counting } of rows) {
    counts[state] += 1;
    if (counting) counts.problems += 1;
  }
  return counts;
}

/** Problems first; within that, the order of the status. */
export function problemsFirst(rows: readonly Row[]): readonly Row[] {
  return [...rows.filter((row) => row.isProblem), ...rows.filter((row) => !row.isProblem)];
}
