import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ReloadRefused, type PrometheusClient } from '../../../../agent/prometheus/api/client.ts';
import { reload, type ReloadOutcome } from '../../../../agent/prometheus/configuration/reload.ts';
import { createManualClock } from '../../../support/manual-clock.ts';

/** `/metrics` of a Prometheus that loaded its configuration at this second. */
function page(seconds: number, successful = 1): string {
  return [
    `prometheus_config_last_reload_success_timestamp_seconds ${seconds}`,
    `prometheus_config_last_reload_successful ${successful}`,
    '',
  ].join('\n');
}

interface Prometheus {
  readonly ready?: () => Promise<void>;
  readonly reload?: () => Promise<void>;
  /** What it reports at each look, the last one forever; an error is thrown. */
  readonly pages: readonly (string | Error)[];
}

/** Reloads, and tells the outcome, how often Prometheus was asked to, and when that ended. */
async function run(
  { ready, reload: ask, pages }: Prometheus,
  signal = new AbortController().signal,
): Promise<{ readonly outcome: ReloadOutcome; readonly asked: number; readonly endMs: number }> {
  const clock = createManualClock();
  let asked = 0;
  let looks = 0;
  const unused = (): Promise<never> => Promise.reject(new Error('not part of a reload'));
  const client: PrometheusClient = {
    ready: ready ?? (() => Promise.resolve()),
    async metrics() {
      const told = pages[Math.min(looks, pages.length - 1)] ?? '';
      looks += 1;
      await Promise.resolve();
      if (told instanceof Error) throw told;
      return told;
    },
    async reload() {
      asked += 1;
      await ask?.();
    },
    close: () => Promise.resolve(),
    version: unused,
    targets: unused,
    rules: unused,
    alertmanagers: unused,
    query: unused,
    flags: unused,
  };
  let endMs: number | undefined;
  const ended = reload(client, clock, signal).then((outcome) => {
    endMs = clock.nowMs();
    return outcome;
  });
  await turn();
  await clock.forward(6_000, 50);
  const outcome = await ended;
  assert.ok(endMs !== undefined);
  return { outcome, asked, endMs };
}

describe('a reload', () => {
  it('is not asked for while Prometheus is not ready', async () => {
    const { outcome, asked } = await run({
      ready: () => Promise.reject(new Error('it replays its log')),
      pages: [page(1)],
    });
    assert.deepEqual(outcome, { kind: 'not_ready', reason: 'it replays its log' });
    assert.equal(asked, 0);
  });

  it('is not asked for while Prometheus does not report its last load, as nothing could prove it', async () => {
    const { outcome, asked } = await run({ pages: [new Error('no answer')] });
    assert.equal(outcome.kind, 'not_ready');
    assert.equal(asked, 0);
  });

  it('is done only when the metrics show it, not when Prometheus answers', async () => {
    const { outcome, asked, endMs } = await run({ pages: [page(1), page(1), page(1), page(2)] });
    assert.deepEqual(outcome, { kind: 'loaded' });
    assert.equal(asked, 1);
    assert.equal(endMs, 100);
  });

  it('is done also when the clock jumped back meanwhile', async () => {
    assert.equal((await run({ pages: [page(100), page(40)] })).outcome.kind, 'loaded');
  });

  it('is done when an observation fails before the one that shows it', async () => {
    assert.equal((await run({ pages: [page(1), new Error('busy'), page(2)] })).outcome.kind, 'loaded');
  });

  it('is unknown, and not done, when the metrics do not show it for 5 s', async () => {
    const { outcome, asked, endMs } = await run({ pages: [page(1)] });
    assert.deepEqual(outcome, {
      kind: 'unknown',
      reason: 'Prometheus confirmed the reload, but its metrics show none',
    });
    assert.equal(asked, 1, 'it is not asked twice');
    assert.equal(endMs, 5_000);
  });

  it('is not proven by another time when the last attempt failed', async () => {
    assert.equal((await run({ pages: [page(1), page(2, 0)] })).outcome.kind, 'unknown');
  });

  it('is refused when Prometheus refuses it, with its message, and unknown without an answer', async () => {
    const refused = await run({
      reload: () => Promise.reject(new ReloadRefused('bad scrape_interval')),
      pages: [page(1)],
    });
    assert.deepEqual(refused.outcome, { kind: 'refused', reason: 'bad scrape_interval' });
    const silent = await run({ reload: () => Promise.reject(new Error('timeout')), pages: [page(1)] });
    assert.deepEqual(silent.outcome, { kind: 'unknown', reason: 'timeout' });
  });

  it('is given up at once when the agent stops', async () => {
    const stop = new AbortController();
    const { outcome, endMs } = await run(
      {
        async reload() {
          await Promise.resolve();
          stop.abort();
        },
        pages: [page(1)],
      },
      stop.signal,
    );
    assert.equal(outcome.kind, 'unknown');
    assert.equal(endMs, 0);
  });
});
