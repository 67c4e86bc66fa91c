import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { budgetOf, seriesAt } from '../../../agent/shared/budget.ts';
import {
  blockBytes,
  headBytes,
  layoutFor,
  SAFE_RANGE_MS,
  shortestLayout,
  type Load,
} from '../../../agent/shared/layout.ts';

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

function everyFifteenSeconds(series: number): Load {
  return { series, samplesPerSecond: series / 15 };
}

/** The minutes of a block and of the longest block, for a volume of which 55 % are the retention. */
function minutesOf(volumeMib: number, series: number): readonly [number, number] {
  const dataBytes = volumeMib * MIB;
  const wanted = { dataBytes, retentionBytes: dataBytes * 0.55, retentionMs: 15 * DAY_MS };
  const { rangeMs, longestMs } = layoutFor({ ...wanted, load: everyFifteenSeconds(series) });
  return [rangeMs / MINUTE_MS, longestMs / MINUTE_MS];
}

describe('how a volume is laid out', () => {
  it('follows the load: the fewer samples, the longer the blocks, and the longer those they are merged to', () => {
    assert.deepEqual(minutesOf(256, 100), [120, 1080]);
    assert.deepEqual(minutesOf(256, 1_000), [120, 1080]);
    assert.deepEqual(minutesOf(256, 2_000), [60, 540]);
    assert.deepEqual(minutesOf(256, 5_000), [30, 90]);
    assert.deepEqual(minutesOf(256, 20_000), [30, 30]);
    assert.deepEqual(minutesOf(256, 60_000), [10, 10]);
    assert.deepEqual(minutesOf(64, 20_000), [5, 5]);
  });

  it('keeps half an hour a block as long as WAL and head fit, so that no clock costs others a sample', () => {
    for (const volumeMib of [32, 64, 128, 256, 1000]) {
      const dataBytes = volumeMib * MIB;
      const shortest = shortestLayout(dataBytes);
      const fits = (series: number): boolean =>
        headBytes(everyFifteenSeconds(series), { ...shortest, rangeMs: SAFE_RANGE_MS }) <= 0.4 * dataBytes;
      for (let series = 100; fits(series); series *= 2) assert.ok(minutesOf(volumeMib, series)[0] >= 30, `${series}`);
    }
  });

  it('never lets WAL and head, or a merged block, take more than their share', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 30, max: 32_768 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 3_650 }),
        (volumeMib, share, days) => {
          const sizeBytes = volumeMib * MIB;
          const resources = { memoryLimitBytes: undefined, volume: { kind: 'tmpfs', sizeBytes } } as const;
          const { limits } = budgetOf(resources);
          const load = everyFifteenSeconds(seriesAt(limits, 15_000) * share);
          const { layout, retentionSizeBytes = 0 } = budgetOf({ ...resources, load, retentionMs: days * DAY_MS });
          assert.ok(layout !== undefined);
          assert.ok(headBytes(load, layout) <= sizeBytes * 0.45, `WAL and head of ${load.series} series`);
          const { rangeMs, longestMs } = layout;
          const isMerged = longestMs > rangeMs;
          assert.ok(!isMerged || blockBytes(load, longestMs, rangeMs) <= retentionSizeBytes * 0.1);
          assert.ok(!isMerged || longestMs <= days * DAY_MS * 0.1);
        },
      ),
    );
  });
});
