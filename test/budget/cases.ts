import { budgetOf } from '../../agent/shared/budget.ts';
import type { Case } from './run.ts';

const MIB = 2 ** 20;

/** A load in a time that goes faster than in earnest, so that minutes show what hours would. */
interface Lapse {
  readonly volumeMb: number;
  readonly targets: number;
  readonly intervalMs: number;
  readonly timeLapse: number;
  readonly seconds: number;
  readonly goMemLimitMb?: number;
}

/**
 * A volume is as full when blocks are n times shorter and scrapes n times more often: this many samples of this many series a block, and only
 * the CPU has n times as much to do.
 */
const LAPSES: readonly Lapse[] = [
  { volumeMb: 64, targets: 30, intervalMs: 1_500, timeLapse: 10, seconds: 240, goMemLimitMb: 200 },
  { volumeMb: 64, targets: 45, intervalMs: 1_500, timeLapse: 10, seconds: 180, goMemLimitMb: 200 },
  { volumeMb: 64, targets: 90, intervalMs: 3_000, timeLapse: 10, seconds: 200 },
  { volumeMb: 128, targets: 45, intervalMs: 2_500, timeLapse: 4.8, seconds: 440, goMemLimitMb: 300 },
  { volumeMb: 256, targets: 60, intervalMs: 2_500, timeLapse: 6, seconds: 420, goMemLimitMb: 300 },
];

const SERIES_PER_TARGET = 1_000;

/** The loads that are measured, with the flags of the budget. */
export const CASES: readonly Case[] = LAPSES.map(({ timeLapse, ...lapse }) => {
  const series = lapse.targets * SERIES_PER_TARGET;
  const { flags, retentionSizeBytes } = budgetOf({
    memoryLimitBytes: undefined,
    volume: { kind: 'tmpfs', sizeBytes: lapse.volumeMb * MIB },
    load: { series, samplesPerSecond: (series * 1000) / lapse.intervalMs },
    timeLapse,
  });
  return {
    ...lapse,
    seriesPerTarget: SERIES_PER_TARGET,
    flags: [...flags, `--storage.tsdb.retention.size=${retentionSizeBytes}B`],
  };
});
