import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCoalescer, type Coalescer, type CoalescerOptions } from '../../../broker/tsuru/coalescer.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';

interface Coalesced {
  readonly clock: ManualClock;
  readonly coalescer: Coalescer;
  /** Each start: when, for which key, with which items. */
  readonly starts: readonly (readonly [atMs: number, key: string, items: string])[];
  readonly stop: () => void;
}

function start(workMs: number, options: Partial<CoalescerOptions> = {}): Coalesced {
  const clock = createManualClock();
  const stopping = new AbortController();
  const { signal } = stopping;
  const starts: [number, string, string][] = [];
  const coalescer = createCoalescer({
    ...{ atOnce: 10, most: 100, pauseMs: 300, clock, signal },
    async work(key, items) {
      starts.push([clock.nowMs(), key, [...items].join(' ')]);
      await clock.sleep(workMs, signal);
    },
    ...options,
  });
  const stop = (): void => {
    stopping.abort();
  };
  return { clock, coalescer, starts, stop };
}

describe('work for a key', () => {
  it('starts at once, and after the pause for all that was added meanwhile', async () => {
    const { clock, coalescer, starts } = start(10);
    for (const item of ['1', '2', '3']) {
      assert.equal(coalescer.add('a', [item]), true);
      await clock.forward(50, 10);
    }
    assert.equal(coalescer.add('b', ['4']), true);
    await clock.forward(2_000, 50);
    assert.deepEqual(starts, [
      [0, 'a', '1'],
      [150, 'b', '4'],
      [300, 'a', '2 3'],
    ]);
  });

  it('is done once more for what is added in its last moment', async () => {
    const { clock, coalescer, starts } = start(290);
    coalescer.add('a');
    await clock.forward(280, 10);
    coalescer.add('a');
    await clock.forward(1_000, 10);
    assert.deepEqual(starts, [
      [0, 'a', ''],
      [300, 'a', ''],
    ]);
  });

  it('is done one at a time, also when it takes longer than the pause', async () => {
    const { clock, coalescer, starts } = start(1_000);
    coalescer.add('a');
    await clock.forward(500, 100);
    coalescer.add('a');
    await clock.forward(3_000, 100);
    assert.deepEqual(
      starts.map(([atMs]) => atMs),
      [0, 1_000],
    );
  });

  it('is done for so many keys at once, and what is added to a waiting key joins it', async () => {
    const { clock, coalescer, starts } = start(100, { atOnce: 2, pauseMs: 0 });
    for (const key of ['a', 'b', 'c', 'c']) coalescer.add(key);
    await clock.forward(1_000, 50);
    assert.deepEqual(
      starts.map(([atMs, key]) => `${key} ${atMs}`),
      ['a 0', 'b 0', 'c 100'],
    );
  });

  it('is refused above the most keys, but joined by a key that is there', async () => {
    const { clock, coalescer, starts } = start(100, { most: 2 });
    assert.deepEqual(
      ['a', 'b', 'c', 'a'].map((key) => coalescer.add(key)),
      [true, true, false, true],
    );
    await clock.forward(1_000, 50);
    assert.equal(coalescer.add('c'), true);
    await clock.forward(50, 50);
    assert.deepEqual(
      starts.map(([, key]) => key),
      ['a', 'b', 'a', 'c'],
    );
  });

  it('that waits is dropped when the signal aborts, and nothing more is taken', async () => {
    const { coalescer, starts, stop } = start(1_000);
    coalescer.add('a');
    coalescer.add('a');
    await new Promise(setImmediate);
    stop();
    await coalescer.idle();
    assert.equal(coalescer.add('a'), false);
    assert.equal(starts.length, 1);
  });
});
