import { setTimeout as wait } from 'node:timers/promises';
import { errorText } from '../../agent/shared/text.ts';
import type { Status } from '../../agent/shared/status.ts';
import type { BatchResult } from './batch.ts';
import type { Growth } from './growth.ts';
import type { Stage } from './stage.ts';

/** How many of the agent's last lines of log are shown with a failure. */
const LOG_LINES = 25;
const STATUS_LIMIT_MS = 5_000;

/** A batch on a line. */
export function batchLine(number: number, { steps, faults, samples, settled }: BatchResult): string {
  const time = new Date().toISOString().slice(11, 19);
  const done = `${steps.length} steps${faults.length === 0 ? '' : `, faults: ${faults.join(', ')}`}`;
  if (settled === undefined) return `${time}  batch ${number}: ${done}; broken off`;
  const { truth, targets, tookMs } = settled;
  const up = targets.filter(({ health }) => health === 'up').length;
  const world = `${truth.bound} of ${truth.apps} apps bound, ${truth.units} units, ${targets.length} targets (${up} up)`;
  return `${time}  batch ${number}: ${done}; ${world}; true after ${seconds(tookMs)}, ${samples} samples`;
}

/** What happened in all batches. */
export interface Tally {
  add(result: BatchResult): void;
  lines(): readonly string[];
}

export function createTally(): Tally {
  const steps = new Map<string, number>();
  const faults = new Map<string, number>();
  const tookMs: number[] = [];
  let batches = 0;
  let samples = 0;
  return {
    add(result) {
      batches++;
      samples += result.samples;
      if (result.settled !== undefined) tookMs.push(result.settled.tookMs);
      count(steps, result.steps);
      count(faults, result.faults);
    },
    lines: () => [
      `batches: ${batches}; checks of all targets: ${tookMs.length}; samples that no target is lost: ${samples}`,
      `true again after: ${seconds(median(tookMs))} in the median, ${seconds(Math.max(0, ...tookMs))} at most`,
      `steps: ${countsOf(steps)}`,
      `faults: ${countsOf(faults)}`,
    ],
  };
}

export function growthLine({ lifeMs, lives, parts }: Growth): string {
  return `the agent: ${lives} lives, the longest ${seconds(lifeMs)}; its first third -> its last: ${parts.join(', ')}`;
}

/** All that helps to find out why something does not hold. */
export async function evidence(stage: Stage, error: unknown, history: readonly string[]): Promise<string[]> {
  const status = await Promise.race([
    stage
      .agent()
      .status()
      .then(statusLines, (cause: unknown) => [errorText(cause)]),
    wait(STATUS_LIMIT_MS, ['it does not answer'], { ref: false }),
  ]);
  return [
    error instanceof Error && error.cause !== undefined
      ? `${errorText(error)}: ${errorText(error.cause)}`
      : errorText(error),
    'What was done in this batch:',
    ...history.map((line) => `  ${line}`),
    "The agent's log:",
    ...stage
      .agent()
      .program.lines.slice(-LOG_LINES)
      .map((line) => `  ${line}`),
    "The agent's status:",
    ...status.map((line) => `  ${line}`),
  ];
}

/** An app and a unit a line. */
function statusLines({ apps, ...rest }: Status): string[] {
  return [
    JSON.stringify(rest),
    ...apps.flatMap(({ units, ...app }) => [JSON.stringify(app), ...units.map((unit) => `  ${JSON.stringify(unit)}`)]),
  ];
}

function count(counts: Map<string, number>, kinds: readonly string[]): void {
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
}

function countsOf(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.length === 0 ? 'none' : sorted.map(([kind, times]) => `${times} ${kind}`).join(', ');
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
