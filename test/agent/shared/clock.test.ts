import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../../agent/shared/clock.ts';

const HOUR_MS = 3_600_000;

describe('a sleep', () => {
  it('takes its time', async () => {
    const beganMs = systemClock.nowMs();
    await systemClock.sleep(30, new AbortController().signal);
    assert.ok(systemClock.nowMs() - beganMs >= 29);
  });

  it('ends at once, without an error, when its signal aborts', async () => {
    const stop = new AbortController();
    const asleep = systemClock.sleep(HOUR_MS, stop.signal);
    stop.abort(new Error('the program stops'));
    await assert.doesNotReject(asleep);
  });

  it('ends at once, without an error, when its signal has aborted before', async () => {
    await assert.doesNotReject(systemClock.sleep(HOUR_MS, AbortSignal.abort(new Error('the program stops'))));
  });
});
