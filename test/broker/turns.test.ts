import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createTurns, type Turns } from '../../broker/tsuru/turns.ts';

const NEVER = new AbortController().signal;
/** What an operation is reported when its time is over. */
const LATE = new Error('no time left');

/** Work that goes on until it is ended, and what has become of it. */
interface Work {
  readonly state: 'waits' | 'works' | 'is done' | Error;
  end(): void;
  fail(error: Error): void;
  giveUp(): void;
}

function take(turns: Turns, ...things: readonly string[]): Work {
  const waiting = new AbortController();
  const ended = Promise.withResolvers<string>();
  let state: Work['state'] = 'waits';
  const work = (): Promise<string> => {
    state = 'works';
    return ended.promise;
  };
  turns.take(things, waiting.signal, work).then(
    (result) => {
      assert.equal(result, 'its result');
      state = 'is done';
    },
    (error: unknown) => {
      assert.ok(error instanceof Error);
      state = error;
    },
  );
  return {
    get state() {
      return state;
    },
    end: () => {
      ended.resolve('its result');
    },
    fail: ended.reject,
    giveUp: () => {
      waiting.abort(LATE);
    },
  };
}

/** What has become of each, once everything has gone on that waits for nothing else. */
async function statesOf(...works: readonly Work[]): Promise<Work['state'][]> {
  await new Promise(setImmediate);
  return works.map(({ state }) => state);
}

describe('work on the same thing', () => {
  it('is done one after the other, in the order in which it came', async () => {
    const turns = createTurns();
    const [first, second, third] = [take(turns, 'a'), take(turns, 'a'), take(turns, 'a')];
    assert.deepEqual(await statesOf(first, second, third), ['works', 'waits', 'waits']);
    first.end();
    assert.deepEqual(await statesOf(first, second, third), ['is done', 'works', 'waits']);
    second.end();
    assert.deepEqual(await statesOf(second, third), ['is done', 'works']);
    third.end();
    assert.deepEqual(await statesOf(third), ['is done']);
  });

  it('waits also when it comes after others have had their turn', async () => {
    const turns = createTurns();
    const [first, second] = [take(turns, 'a'), take(turns, 'a')];
    first.end();
    assert.deepEqual(await statesOf(first, second), ['is done', 'works']);
    const third = take(turns, 'a');
    assert.deepEqual(await statesOf(second, third), ['works', 'waits']);
    second.end();
    assert.deepEqual(await statesOf(third), ['works']);
  });

  it('goes on after work that has failed, and only that work reports it', async () => {
    const turns = createTurns();
    const [first, second] = [take(turns, 'a'), take(turns, 'a')];
    const failure = new Error('Tsuru refused');
    first.fail(failure);
    assert.deepEqual(await statesOf(first, second), [failure, 'works']);
    second.end();
    assert.deepEqual(await statesOf(second), ['is done']);
  });

  it('goes on after work that throws at once', async () => {
    const turns = createTurns();
    const failure = new Error('a bug');
    const thrown = turns.take(['a'], NEVER, () => {
      throw failure;
    });
    const next = take(turns, 'a');
    await assert.rejects(thrown, failure);
    assert.deepEqual(await statesOf(next), ['works']);
  });
});

describe('work on different things', () => {
  it('is done at once', async () => {
    const turns = createTurns();
    const works = [take(turns, 'a'), take(turns, 'b'), take(turns, 'c', 'd'), take(turns)];
    assert.deepEqual(await statesOf(...works), ['works', 'works', 'works', 'works']);
  });

  it('is done at once where turns know nothing of each other, be it on the same thing', async () => {
    const works = [take(createTurns(), 'a'), take(createTurns(), 'a')];
    assert.deepEqual(await statesOf(...works), ['works', 'works']);
  });
});

describe('work on several things', () => {
  for (const order of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    it(`waits for each of them, even if ${order[0]} is free first`, async () => {
      const turns = createTurns();
      const before = { a: take(turns, 'a'), b: take(turns, 'b') };
      const both = take(turns, 'a', 'b');
      for (const thing of order) {
        assert.deepEqual(await statesOf(both), ['waits']);
        before[thing].end();
      }
      assert.deepEqual(await statesOf(both), ['works']);
    });
  }

  it('blocks all of them for later work', async () => {
    const turns = createTurns();
    const [both, a, b] = [take(turns, 'a', 'b'), take(turns, 'a'), take(turns, 'b')];
    assert.deepEqual(await statesOf(both, a, b), ['works', 'waits', 'waits']);
    both.end();
    assert.deepEqual(await statesOf(both, a, b), ['is done', 'works', 'works']);
  });

  it('never waits for work that waits for it, in whichever order they name the things', async () => {
    const turns = createTurns();
    const works = [take(turns, 'a', 'b'), take(turns, 'b', 'a'), take(turns, 'a', 'a')];
    for (const work of works) work.end();
    assert.deepEqual(await statesOf(...works), ['is done', 'is done', 'is done']);
  });
});

describe('work that waits for a turn', () => {
  it("ends with the signal's reason, and is never begun", async () => {
    const turns = createTurns();
    const [first, second] = [take(turns, 'a'), take(turns, 'a')];
    assert.deepEqual(await statesOf(first, second), ['works', 'waits']);
    second.giveUp();
    assert.deepEqual(await statesOf(first, second), ['works', LATE]);
    first.end();
    assert.deepEqual(await statesOf(first, second), ['is done', LATE]);
  });

  it('is never begun when its signal was aborted before', async () => {
    let isBegun = false;
    const taken = createTurns().take(['a'], AbortSignal.abort(LATE), () => {
      isBegun = true;
      return Promise.resolve();
    });
    await assert.rejects(taken, LATE);
    assert.equal(isBegun, false);
  });

  it('still waits for the work before one that was aborted', async () => {
    const turns = createTurns();
    const [first, second, third] = [take(turns, 'a'), take(turns, 'a'), take(turns, 'a')];
    second.giveUp();
    assert.deepEqual(await statesOf(first, second, third), ['works', LATE, 'waits']);
    const fourth = take(turns, 'a');
    assert.deepEqual(await statesOf(third, fourth), ['waits', 'waits']);
    first.end();
    assert.deepEqual(await statesOf(third, fourth), ['works', 'waits']);
    third.end();
    assert.deepEqual(await statesOf(third, fourth), ['is done', 'works']);
  });

  it('is not disturbed by a signal that is aborted once it has begun', async () => {
    const work = take(createTurns(), 'a');
    assert.deepEqual(await statesOf(work), ['works']);
    work.giveUp();
    assert.deepEqual(await statesOf(work), ['works']);
    work.end();
    assert.deepEqual(await statesOf(work), ['is done']);
  });
});

const MANY_ROUNDS = 100;

async function inRounds(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) await Promise.resolve();
}

/** How many rounds of promises it takes until work has begun: more when there is something to wait for, be it long over. */
async function roundsUntilBegun(turns: Turns): Promise<number> {
  const work = take(turns, 'a');
  let rounds = 0;
  for (; work.state === 'waits' && rounds < MANY_ROUNDS; rounds++) await Promise.resolve();
  work.end();
  return rounds;
}

describe('after work', () => {
  const endings: readonly (readonly [what: string, end: (first: Work, second: Work) => void])[] = [
    [
      'that went well',
      (first, second) => {
        first.end();
        second.end();
      },
    ],
    [
      'that failed',
      (first, second) => {
        first.fail(LATE);
        second.fail(LATE);
      },
    ],
    [
      'that was given up',
      (first, second) => {
        second.giveUp();
        first.end();
      },
    ],
  ];
  for (const [what, end] of endings) {
    it(`${what} no state is kept: the next begins as fast as the first`, async () => {
      const turns = createTurns();
      const [first, second] = [take(turns, 'a', 'b'), take(turns, 'b', 'a')];
      await statesOf(first, second);
      end(first, second);
      await statesOf(first, second);
      assert.equal(await roundsUntilBegun(turns), await roundsUntilBegun(createTurns()));
    });
  }
});

describe('any mix of work', () => {
  const works = fc.array(
    fc.record({
      things: fc.subarray(['a', 'b', 'c']),
      comesAfter: fc.nat(20),
      rounds: fc.nat(8),
      givesUpAfter: fc.option(fc.nat(20)),
      fails: fc.boolean(),
    }),
    { maxLength: 12 },
  );

  it('never overlaps on a thing, keeps its order there, and ends', async () => {
    await fc.assert(
      fc.asyncProperty(works, async (mix) => {
        const turns = createTurns();
        const busy = new Set<string>();
        const came: number[] = [];
        const begun: number[] = [];
        let ended = 0;
        for (const [index, { things, comesAfter, rounds, givesUpAfter, fails }] of mix.entries()) {
          const waiting = new AbortController();
          const work = async (): Promise<void> => {
            begun.push(index);
            for (const thing of things) {
              assert.ok(!busy.has(thing), `two work on ${thing} at once`);
              busy.add(thing);
            }
            await inRounds(rounds);
            for (const thing of things) busy.delete(thing);
            if (fails) throw LATE;
          };
          const come = async (): Promise<void> => {
            await inRounds(comesAfter);
            came.push(index);
            const taken = turns.take(things, waiting.signal, work);
            if (givesUpAfter !== null) {
              await inRounds(givesUpAfter);
              waiting.abort(LATE);
            }
            await taken.catch((error: unknown) => {
              assert.equal(error, LATE);
            });
            ended += 1;
          };
          void come();
        }
        await new Promise(setImmediate);
        assert.equal(ended, mix.length);
        for (const thing of ['a', 'b', 'c']) {
          const onThing = (index: number): boolean => mix[index]?.things.includes(thing) === true;
          const wanted = came.filter((index) => onThing(index) && begun.includes(index));
          assert.deepEqual(begun.filter(onThing), wanted);
        }
      }),
      { numRuns: 300 },
    );
  });
});
