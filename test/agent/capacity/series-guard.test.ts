import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { createHeadGuard, type HeadGuard } from '../../../agent/capacity/series-guard.ts';
import type { PrometheusClient, QueryResult } from '../../../agent/prometheus/api/client.ts';
import { createTroubles, type Troubles } from '../../../agent/system/troubles.ts';

const BUDGET = 1_000;

/** A Prometheus that answers as it is reported. */
class Answers {
  metrics = 'prometheus_tsdb_head_series 500\n';
  made: readonly QueryResult[] = [];
  failsMetrics = false;
  failsQuery = false;
  isReady = true;
}

function guarded(): {
  readonly answers: Answers;
  readonly guard: HeadGuard;
  readonly troubles: Troubles;
  readonly pass: (seconds: number) => Promise<void>;
  readonly paused: () => ReadonlyMap<string, string>;
} {
  const answers = new Answers();
  let nowMs = 0;
  const failed = (): Promise<never> => Promise.reject(new Error('Prometheus answered 503: overloaded'));
  const client: PrometheusClient = {
    ready: () => (answers.isReady ? Promise.resolve() : failed()),
    metrics: () => (answers.failsMetrics ? failed() : Promise.resolve(answers.metrics)),
    query: () => (answers.failsQuery ? failed() : Promise.resolve(answers.made)),
    version: failed,
    flags: failed,
    targets: failed,
    rules: failed,
    alertmanagers: failed,
    reload: failed,
    close: () => Promise.resolve(),
  };
  const troubles = createTroubles(pino({ level: 'silent' }), () => nowMs);
  const clock = { nowMs: () => nowMs, wallMs: () => nowMs, sleep: () => Promise.resolve(), random: () => 0 };
  let paused: ReadonlyMap<string, string> = new Map();
  const onChange = (now: ReadonlyMap<string, string>): void => {
    paused = now;
  };
  const guard = createHeadGuard({ client, budgetSeries: () => BUDGET, onChange, troubles, clock });
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 5) {
      nowMs += 5_000;
      await guard.look();
    }
  };
  return { answers, guard, troubles, pass, paused: () => paused };
}

const texts = (troubles: Troubles): string =>
  troubles
    .current()
    .map(({ text }) => text)
    .join();

describe('the guard against new series', () => {
  it('reports five times the series of the budget when it cannot find out which apps made them', async () => {
    const { answers, paused, troubles, pass } = guarded();
    answers.metrics = 'prometheus_tsdb_head_series 5000\n';
    answers.failsQuery = true;
    await pass(300);
    assert.equal(paused().size, 0);
    assert.match(
      texts(troubles),
      /^failed to ask Prometheus which apps make new series, so no app is paused or resumed: Prometheus answered 503: overloaded; the latest number of series is 5,000, with room for 1,000$/,
    );
    answers.failsQuery = false;
    answers.made = [{ labels: { tsuru_app: 'noisy' }, value: 4_000 }];
    await pass(15);
    assert.deepEqual([...paused().keys()], ['noisy']);
    assert.doesNotMatch(texts(troubles), /failed to ask/);
  });

  for (const [title, breakIt] of [
    ['its metrics are not answered', (answers: Answers): void => void (answers.failsMetrics = true)],
    ['its metrics do not tell the series', (answers: Answers): void => void (answers.metrics = 'up 1\n')],
  ] as const)
    it(`keeps what it paused, and says so, when ${title}`, async () => {
      const { answers, paused, troubles, pass } = guarded();
      answers.metrics = 'prometheus_tsdb_head_series 5000\n';
      answers.made = [{ labels: { tsuru_app: 'noisy' }, value: 4_000 }];
      await pass(15);
      breakIt(answers);
      await pass(900);
      assert.deepEqual([...paused().keys()], ['noisy']);
      assert.match(texts(troubles), /failed to ask Prometheus/);
    });

  it('reports nothing while Prometheus is not ready, as that is reported elsewhere', async () => {
    const { answers, troubles, pass } = guarded();
    answers.failsMetrics = true;
    answers.isReady = false;
    await pass(60);
    assert.deepEqual(troubles.current(), []);
  });
});
