import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatDuration, parseDuration } from '../../../agent/shared/duration.ts';

describe("Prometheus' durations", () => {
  it('are read as Prometheus reads them', () => {
    const table: readonly [string, number | undefined][] = [
      ['0', 0],
      ['15s', 15_000],
      ['1m30s', 90_000],
      ['1h', 3_600_000],
      ['1y1w1d1h1m1s1ms', 31_536_000_000 + 604_800_000 + 86_400_000 + 3_661_001],
      ['', undefined],
      ['15', undefined],
      ['15 s', undefined],
      ['1.5h', undefined],
      ['-1s', undefined],
      ['30s1m', undefined],
      ['999999y', undefined],
    ];
    for (const [text, expected] of table) assert.equal(parseDuration(text), expected, text);
  });

  it('are written so that they are read as the same', () => {
    for (const durationMs of [0, 1, 999, 1_000, 90_000, 3_600_000, 86_400_000 * 15 + 1]) {
      assert.equal(parseDuration(formatDuration(durationMs)), durationMs);
    }
    assert.equal(formatDuration(90_000), '1m30s');
  });
});
