import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { outageBridged, WAL_BYTES_PER_SAMPLE, walRanges, type Wal } from '../../../agent/shared/wal.ts';

const HOUR_MS = 3_600_000;
const SEGMENT_BYTES = 10 * 2 ** 20;

/** A log of blocks of an hour, with this many segments in each. */
function walOf(segmentsPerRange: number): Wal {
  const samplesPerSecond = (segmentsPerRange * SEGMENT_BYTES) / WAL_BYTES_PER_SAMPLE / 3600;
  return { rangeMs: HOUR_MS, segmentBytes: SEGMENT_BYTES, samplesPerSecond };
}

describe('the write-ahead log', () => {
  for (const [segments, leastHours, mostHours] of [
    [0, 3, 5],
    [0.5, 3, 5],
    [3, 1, 2.4],
    [100, 0.5, 1.6],
  ] as const) {
    it(`bridges ${leastHours} to ${mostHours} block ranges of an outage with ${segments} segments in each`, () => {
      const { leastMs, mostMs } = outageBridged(walOf(segments));
      assert.ok(Math.abs(leastMs / HOUR_MS - leastHours) < 0.1, `${leastMs / HOUR_MS}`);
      assert.ok(Math.abs(mostMs / HOUR_MS - mostHours) < 0.1, `${mostMs / HOUR_MS}`);
    });
  }

  it('holds up to four and a half block ranges with one segment in each, one and a half with many', () => {
    const ranges = [0.1, 0.9, 2, 3, 30].map((segments) => Math.round(walRanges(walOf(segments)) * 10) / 10);
    assert.deepEqual(ranges, [4.5, 4, 2.5, 2, 1.5]);
  });
});
