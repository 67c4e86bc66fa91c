import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextWaitMs, type Pace } from '../../../agent/tsuru/poll-interval.ts';

const QUIET: Pace = { intervalMs: 15_000, failures: 0, hurry: false, sinceChangeMs: Infinity };

/** The shortest and the longest wait, rounded. */
function span(pace: Partial<Pace>): [number, number] {
  return [Math.round(nextWaitMs({ ...QUIET, ...pace }, 0)), Math.round(nextWaitMs({ ...QUIET, ...pace }, 1))];
}

describe('the wait before the next poll', () => {
  it('is the interval, a tenth more or less', () => {
    assert.deepEqual(span({}), [13_500, 16_500]);
  });

  it('is 5 s while something is on its way', () => {
    assert.deepEqual(span({ hurry: true }), [4_500, 5_500]);
  });

  it('is 5 s for a minute after a change', () => {
    assert.deepEqual(span({ sinceChangeMs: 59_999 }), [4_500, 5_500]);
    assert.deepEqual(span({ sinceChangeMs: 60_000 }), [13_500, 16_500]);
  });

  it('is the interval itself if that is quicker', () => {
    assert.deepEqual(span({ intervalMs: 1_000, hurry: true }), [900, 1_100]);
  });

  it('doubles with each failure in a row up to 2 minutes, with full jitter', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 99].map((failures) => span({ failures })[1]),
      [15_000, 30_000, 60_000, 120_000, 120_000, 120_000],
    );
    assert.equal(span({ failures: 99 })[0], 1_000);
  });
});
