import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TsuruError } from '../../agent/shared/tsuru.ts';
import type { Clock } from '../../agent/shared/clock.ts';
import { retryLocked, type RetryOptions } from '../../broker/tsuru/locked.ts';

const LOCKED =
  'event locked: role(prometheus-reader) running "role.update.assign" start by user a at 2026-11-23T04:16:49Z';
const MINUTE_MS = 60_000;
const LONGEST_PAUSE_MS = 2_000;

function refused(words: string): TsuruError {
  return new TsuruError('server_error', `role_assign: Tsuru answered 500: ${words}`, {
    ...{ requestId: '1', status: 500, words },
  });
}

interface FakeClock extends Clock {
  /** All pauses until now, in ms. */
  readonly pauses: readonly number[];
  /** Lets time go by otherwise. */
  pass(durationMs: number): void;
}

/** A clock that stands still but for pauses, whose chances are these, the last one for good. */
function fakeClock(...chances: readonly number[]): FakeClock {
  // Somewhere in the life of a process.
  let nowMs = 1_234_567;
  const pauses: number[] = [];
  const left = [...chances];
  return {
    pauses,
    pass: (durationMs) => {
      nowMs += durationMs;
    },
    wallMs: () => nowMs,
    nowMs: () => nowMs,
    random: () => (left.length > 1 ? left.shift() : left[0]) ?? 0,
    sleep(durationMs, signal) {
      pauses.push(durationMs);
      if (!signal.aborted) nowMs += durationMs;
      return Promise.resolve();
    },
  };
}

/** Retries work that Tsuru has locked this many times, or for good, and tells what has come of it. */
async function retried(
  clock: FakeClock,
  { times = Infinity, takesMs = 0, ...options }: Partial<RetryOptions> & { times?: number; takesMs?: number } = {},
): Promise<{ readonly tries: number; readonly retries: number; readonly error: unknown; readonly lastTryMs: number }> {
  const beginMs = clock.nowMs();
  let tries = 0;
  let retries = 0;
  let lastTryMs = 0;
  const locked = refused(LOCKED);
  const work = (): Promise<string> => {
    tries += 1;
    lastTryMs = clock.nowMs() - beginMs;
    clock.pass(takesMs);
    return tries > times ? Promise.resolve('done') : Promise.reject(locked);
  };
  const onRetry = (): void => {
    retries += 1;
  };
  const { signal } = new AbortController();
  const error: unknown = await retryLocked(work, { clock, signal, onRetry, ...options }).then(
    (result) => {
      assert.equal(result, 'done');
      return undefined;
    },
    (reason: unknown) => reason,
  );
  if (error instanceof TsuruError) assert.equal(error, locked);
  return { tries, retries, error, lastTryMs };
}

describe('what Tsuru has locked', () => {
  it('is retried until it succeeds, and each retry is reported', async () => {
    for (const times of [0, 1, 5]) {
      const { tries, retries, error } = await retried(fakeClock(0.5), { times });
      assert.deepEqual({ tries, retries, error }, { tries: times + 1, retries: times, error: undefined });
    }
  });

  it('is retried without a listener, too', async () => {
    let tries = 0;
    const work = (): Promise<number> => (++tries < 3 ? Promise.reject(refused(LOCKED)) : Promise.resolve(tries));
    assert.equal(await retryLocked(work, { clock: fakeClock(1), signal: new AbortController().signal }), 3);
  });

  it('is retried after a wait whose limit doubles from 50 ms to 2 s', async () => {
    const clock = fakeClock(1);
    await retried(clock, { times: 9 });
    assert.deepEqual(clock.pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
  });

  it('is retried after a random part of that limit', async () => {
    const clock = fakeClock(0, 0.5, 1, 0.25, 0, 1, 0.001);
    await retried(clock, { times: 7 });
    assert.deepEqual(clock.pauses, [0, 50, 200, 100, 0, 1600, 2]);
  });
});

describe('any other failure', () => {
  for (const [what, error] of [
    ['of Tsuru', refused('the database is away')],
    ['of Tsuru without words', refused('')],
    ['of Tsuru that is only about a lock', refused('event app.update failed: it was locked')],
    ['of the network', new TsuruError('network', 'role_assign: ECONNRESET', { requestId: '1' })],
    ['in the words of a lock, but not of Tsuru', new Error(LOCKED)],
  ] as const) {
    it(`is reported at once: ${what}`, async () => {
      const clock = fakeClock(1);
      let tries = 0;
      let retries = 0;
      const work = (): Promise<never> => {
        tries += 1;
        return Promise.reject(error);
      };
      const options = { clock, signal: new AbortController().signal, onRetry: () => void (retries += 1) };
      await assert.rejects(retryLocked(work, options), error);
      assert.deepEqual({ tries, retries, pauses: clock.pauses }, { tries: 1, retries: 0, pauses: [] });
    });
  }

  it('ends the retries', async () => {
    const answers = [refused(LOCKED), refused('Event Locked: app(x)'), refused('role not found'), refused(LOCKED)];
    const work = (): Promise<never> => Promise.reject(answers.shift() ?? refused(''));
    await assert.rejects(retryLocked(work, { clock: fakeClock(1), signal: new AbortController().signal }), {
      words: 'role not found',
    });
    assert.equal(answers.length, 1);
  });
});

describe('a lock that stays', () => {
  for (const chances of [[1], [0.5], [0.01], [0, 1, 0.3, 0.7, 0.99, 0.5]]) {
    it(`is reported after a minute, not a wait earlier and never later, with random parts of ${chances.join(', ')}`, async () => {
      const clock = fakeClock(...chances);
      const begin = clock.nowMs();
      const { tries, retries, error, lastTryMs } = await retried(clock);
      assert.ok(error instanceof TsuruError);
      assert.equal(retries, tries - 1);
      assert.equal(clock.pauses.length, retries);
      assert.equal(lastTryMs, clock.nowMs() - begin, 'it is told right after the last try');
      assert.ok(lastTryMs <= MINUTE_MS, `the last try came after ${lastTryMs} ms`);
      assert.ok(lastTryMs > MINUTE_MS - LONGEST_PAUSE_MS, `the last try came after ${lastTryMs} ms`);
    });
  }

  it('is reported after the time limit of the caller', async () => {
    for (const patienceMs of [100, 10_000, 220_000]) {
      const clock = fakeClock(1);
      const { lastTryMs } = await retried(clock, { patienceMs });
      assert.ok(lastTryMs <= patienceMs && lastTryMs > patienceMs - LONGEST_PAUSE_MS, `${patienceMs}: ${lastTryMs} ms`);
    }
    assert.equal((await retried(fakeClock(1), { patienceMs: 0 })).tries, 1);
    assert.equal((await retried(fakeClock(1), { patienceMs: 149 })).tries, 2);
    assert.equal((await retried(fakeClock(1), { patienceMs: 150 })).tries, 3);
  });

  it('is reported after a minute also where Tsuru itself waits for it each time', async () => {
    const { tries, lastTryMs } = await retried(fakeClock(1), { takesMs: 10_000 });
    assert.deepEqual({ tries, lastTryMs }, { tries: 6, lastTryMs: 5 * 10_000 + 50 + 100 + 200 + 400 + 800 });
  });
});

describe('a retry that is aborted', () => {
  const reason = new Error('the broker stops');

  it("ends during a wait, with the signal's reason", async () => {
    const ending = new AbortController();
    const clock = fakeClock(1);
    const sleep: Clock['sleep'] = (durationMs, signal) => {
      if (clock.pauses.length === 2) ending.abort(reason);
      return clock.sleep(durationMs, signal);
    };
    const { tries, error } = await retried({ ...clock, sleep }, { signal: ending.signal });
    assert.deepEqual([tries, error], [3, reason]);
  });

  it('ends at the next wait when the signal came during a try', async () => {
    let tries = 0;
    const ending = new AbortController();
    const work = (): Promise<never> => {
      tries += 1;
      ending.abort(reason);
      return Promise.reject(refused(LOCKED));
    };
    await assert.rejects(retryLocked(work, { clock: fakeClock(1), signal: ending.signal }), reason);
    assert.equal(tries, 1);
  });
});
