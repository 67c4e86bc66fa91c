import { grouped, ms } from './format.ts';
import type { Results } from './results.ts';
import { renderTable } from './table.ts';

/** A figure and what it should stay below. */
interface Aim {
  readonly what: string;
  readonly below: number;
  readonly unit: 'ms' | 'MB';
  /** Undefined where it was not measured. */
  readonly figure: (results: Results) => number | undefined;
}

const AIMS: readonly Aim[] = [
  {
    what: 'CPU of a round with nothing new, 10,000 units, median',
    below: 200,
    unit: 'ms',
    figure: (results) => results.sizes.get(10_000)?.unchanged.cpuMs.median,
  },
  {
    what: 'steady memory (RSS), 1,000 units',
    below: 70,
    unit: 'MB',
    figure: (results) => results.sizes.get(1_000)?.unchanged.memoryMb.steady,
  },
  {
    what: 'steady memory (RSS), 10,000 units',
    below: 120,
    unit: 'MB',
    figure: (results) => results.sizes.get(10_000)?.unchanged.memoryMb.steady,
  },
  {
    what: "the agent's share of a change, 1,000 units, median",
    below: 50,
    unit: 'ms',
    figure: (results) => results.sizes.get(1_000)?.changed.answerToFileMs.median,
  },
  {
    what: 'a changed rule until it is loaded, median',
    below: 600,
    unit: 'ms',
    figure: (results) => results.rulesMs.median,
  },
  {
    what: 'bind to active target with the webhook, p95',
    below: 1_000,
    unit: 'ms',
    figure: ({ atOnce }) => pushed(atOnce)?.bindToActiveMs.p95,
  },
  {
    what: 'unit-add to active target with the webhook, p95',
    below: 1_000,
    unit: 'ms',
    figure: ({ atOnce }) => pushed(atOnce)?.addToActiveMs.p95,
  },
  {
    what: 'unit-remove to target gone with the webhook, p95',
    below: 1_000,
    unit: 'ms',
    figure: ({ atOnce }) => pushed(atOnce)?.removeToGoneMs.p95,
  },
];

function pushed(all: Results['atOnce']): Results['atOnce'][number] | undefined {
  return all.find(({ webhook }) => webhook);
}

/** The aims with what was measured. Nothing depends on it: a figure is of one machine in one hour. */
export function renderAims(results: Results): string {
  const rows = AIMS.map(({ what, below, unit, figure }) => {
    const measured = figure(results);
    const verdict = measured === undefined ? 'not measured' : measured < below ? 'aim met' : 'aim missed';
    return [what, `< ${grouped(below)} ${unit}`, measured === undefined ? '-' : `${ms(measured)} ${unit}`, verdict];
  });
  return renderTable(['', 'aim', 'measured', ''], rows);
}
