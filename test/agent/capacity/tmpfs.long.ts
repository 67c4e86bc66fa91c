import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { budgetOf, seriesAt, type Resources } from '../../../agent/shared/budget.ts';
import { runCase } from '../../budget/run.ts';

const MIB = 2 ** 20;
const VOLUME_MB = 32;
/** Time goes 15 times as fast as in earnest: blocks of 20 s instead of 5 minutes, scrapes each second instead of each 15. */
const FASTER = 15;
const INTERVAL_MS = 1_000;
const SERIES_PER_TARGET = 1_000;
/** Five cuts of the head: the WAL is longest before the fourth. */
const SECONDS = 125;
const RESOURCES: Resources = {
  memoryLimitBytes: undefined,
  volume: { kind: 'tmpfs', sizeBytes: VOLUME_MB * MIB },
};

describe('a budget on a real tmpfs', () => {
  it('at its full rate of samples, no commit fails and the volume stays below what the watchdog acts at', async () => {
    const { limits } = budgetOf({ ...RESOURCES, timeLapse: FASTER });
    const series = seriesAt(limits, INTERVAL_MS);
    const load = { series, samplesPerSecond: (series * 1000) / INTERVAL_MS };
    const { flags, retentionSizeBytes } = budgetOf({ ...RESOURCES, load, timeLapse: FASTER });
    const inEarnest = seriesAt(budgetOf(RESOURCES).limits, INTERVAL_MS * FASTER);
    assert.ok(Math.abs(series / inEarnest - 1) < 0.01, `${series} series, in earnest ${inEarnest}`);
    const outcome = await runCase({
      volumeMb: VOLUME_MB,
      targets: Math.round(series / SERIES_PER_TARGET),
      seriesPerTarget: SERIES_PER_TARGET,
      intervalMs: INTERVAL_MS,
      seconds: SECONDS,
      flags: [...flags, `--storage.tsdb.retention.size=${retentionSizeBytes}B`],
    });
    assert.equal(outcome.diedAfterSeconds, undefined);
    assert.deepEqual([outcome.fullLines, outcome.commitsFailed, outcome.compactionsFailed], [0, 0, 0]);
    assert.ok(outcome.compactions >= 3, `${outcome.compactions} blocks`);
    assert.ok(outcome.peakMb < 0.85 * VOLUME_MB * (MIB / 1e6), `${outcome.peakMb} MB of ${VOLUME_MB} MiB`);
  });
});
