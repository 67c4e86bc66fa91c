import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPokes, readPoke, type DetailsAgain, type Pokes } from '../../../agent/tsuru/pokes.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';

interface Poked {
  readonly clock: ManualClock;
  readonly pokes: Pokes;
  readonly stop: () => void;
  /** Each poll: when it started, and whose details it requested again. */
  readonly polls: readonly (readonly [atMs: number, again: string])[];
}

function startPokes(pollMs: number): Poked {
  const clock = createManualClock();
  const stopping = new AbortController();
  const { signal } = stopping;
  const polls: [number, string][] = [];
  const poll = (again: DetailsAgain): Promise<void> => {
    polls.push([clock.nowMs(), again === 'all' ? again : [...again].sort().join(' ')]);
    return clock.sleep(pollMs, signal);
  };
  const stop = (): void => {
    stopping.abort();
  };
  return { clock, polls, pokes: createPokes({ poll, clock, signal }), stop };
}

describe('a poke', () => {
  it('polls at once', () => {
    const { pokes, polls } = startPokes(10);
    pokes.poke(new Set(['a']));
    assert.deepEqual(polls, [[0, 'a']]);
  });

  it('within a second of the last poll joins the next one, which starts after that second', async () => {
    const { clock, pokes, polls } = startPokes(10);
    for (const app of ['a', 'b', 'c', 'd']) {
      pokes.poke(new Set([app]));
      await clock.forward(200, 100);
    }
    await clock.forward(5_000, 100);
    assert.deepEqual(polls, [
      [0, 'a'],
      [1_000, 'b c d'],
    ]);
  });

  it('never joins a poll that has started, and waits for its end', async () => {
    const { clock, pokes, polls } = startPokes(3_000);
    pokes.poke('all');
    await clock.forward(2_000, 100);
    pokes.poke(new Set(['a']));
    await clock.forward(5_000, 100);
    assert.deepEqual(polls, [
      [0, 'all'],
      [3_000, 'a'],
    ]);
  });

  it('without apps covers those that name some', async () => {
    const { clock, pokes, polls } = startPokes(10);
    for (const again of [new Set<string>(), new Set(['a']), 'all', new Set(['b'])] as const) pokes.poke(again);
    await clock.forward(2_000, 100);
    assert.deepEqual(polls, [
      [0, ''],
      [1_000, 'all'],
    ]);
  });

  it('polls at once again after a second without one', async () => {
    const { clock, pokes, polls } = startPokes(10);
    pokes.poke('all');
    await clock.forward(1_500, 100);
    pokes.poke('all');
    assert.deepEqual(
      polls.map(([atMs]) => atMs),
      [0, 1_500],
    );
  });

  it('that waits is dropped when the agent stops', async () => {
    const { clock, pokes, polls, stop } = startPokes(10);
    pokes.poke('all');
    pokes.poke('all');
    stop();
    await clock.forward(3_000, 100);
    assert.equal(polls.length, 1);
  });
});

describe('the body of a poke', () => {
  it('names the apps whose details are requested again: all without a body, none with an empty list', () => {
    for (const body of ['', ' \n']) assert.equal(readPoke(body), 'all');
    assert.deepEqual(readPoke('{"apps": []}'), new Set());
    assert.deepEqual(readPoke('{"apps": ["b", "a", "b"]}'), new Set(['a', 'b']));
  });

  for (const body of ['{', 'null', '[]', '"a"', '{}', '{"apps": "a"}', '{"apps": [1]}', '{"apps": [], "app": "a"}']) {
    it(`is invalid: ${body}`, () => {
      assert.equal(readPoke(body), undefined);
    });
  }
});
