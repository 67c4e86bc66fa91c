// Measures how full a tmpfs gets with the flags of the budget: "node test/budget/main.ts", as root, about 25 minutes. Other loads are given
// as JSON lines on stdin with --stdin. With --history and one of HISTORIES, days are written by their own timestamps instead of scraped.
// The Prometheus that is first on the PATH is measured.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { grouped } from '../bench/format.ts';
import { describeMachine } from '../bench/machine.ts';
import { renderTable } from '../bench/table.ts';
import { CASES } from './cases.ts';
import { HISTORIES } from './histories.ts';
import { runHistory, type PhaseOutcome } from './history.ts';
import { runCase, type Case, type Outcome } from './run.ts';

const HEAD = ['volume', 'series', 'samples/s', 'used', 'WAL', 'head', 'blocks kept', 'failed', 'heap', 'anonymous'];

function rowOf(test: Case, outcome: Outcome): string[] {
  const series = test.targets * test.seriesPerTarget;
  const failed = outcome.fullLines + outcome.commitsFailed + outcome.compactionsFailed;
  const mb = (value: number): string => `${value.toFixed(1)} MB`;
  return [
    `${test.volumeMb} MiB`,
    grouped(series),
    grouped((series * 1000) / test.intervalMs),
    mb(outcome.peakMb),
    mb(outcome.peakWalMb),
    mb(outcome.peakHeadMb),
    String(outcome.blockCount),
    outcome.diedAfterSeconds === undefined ? String(failed) : `dead after ${outcome.diedAfterSeconds} s`,
    mb(outcome.heapMb),
    `${mb(outcome.anonymousMb)} of ${test.goMemLimitMb ?? '-'}`,
  ];
}

const PHASE_HEAD = [
  'phase',
  'used',
  'WAL',
  'WBL',
  'head',
  'largest block',
  'blocks',
  'bytes a sample',
  'kept',
  'failed',
];

function phaseRow(outcome: PhaseOutcome): string[] {
  const mb = (value: number): string => `${value.toFixed(1)} MB`;
  const failed = outcome.fullLines + outcome.refused + outcome.compactionsFailed;
  return [
    outcome.name,
    ...[outcome.peakMb, outcome.peakWalMb, outcome.peakWblMb, outcome.peakHeadMb, outcome.largestBlockMb].map(mb),
    `${outcome.blocks}, ${mb(outcome.blocksMb)}`,
    ((outcome.blocksMb * 1e6) / outcome.blockSamples).toFixed(2),
    `${(outcome.keptHours / 24).toFixed(2)} days`,
    outcome.found === undefined ? '-' : String(outcome.taken - outcome.found),
    outcome.died ? 'died' : String(failed),
  ];
}

const { values } = parseArgs({ options: { stdin: { type: 'boolean' }, history: { type: 'string' } } });
if (values.history !== undefined) {
  const rows: string[][] = [];
  for (const [name, histories] of Object.entries(HISTORIES)) {
    if (name !== values.history) continue;
    for (const history of histories) {
      await runHistory(history, (outcome) => {
        rows.push(phaseRow(outcome));
        console.error(JSON.stringify(outcome));
      });
    }
  }
  process.stdout.write(`${await describeMachine()}\n\n${renderTable(PHASE_HEAD, rows)}\n`);
} else if (values.stdin === true) {
  for await (const line of createInterface({ input: process.stdin })) {
    const test = JSON.parse(line) as Case;
    process.stdout.write(`${JSON.stringify({ ...test, ...(await runCase(test)) })}\n`);
  }
} else {
  const rows: string[][] = [];
  for (const test of CASES) {
    rows.push(rowOf(test, await runCase(test)));
    console.error(rows.at(-1)?.join(', '));
  }
  process.stdout.write(`${await describeMachine()}\n\n${renderTable(HEAD, rows)}\n`);
}
process.exit(0);
