import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changedIn, createSupervisor, type SupervisorEvent } from '../../../../agent/prometheus/process/supervisor.ts';
import { until } from '../../../support/until.ts';

describe('the pauses between starts of a Prometheus that ends at once', () => {
  it('double from 1 s to 1 min, so that it does not busy the machine', async () => {
    const stop = new AbortController();
    const pauses: number[] = [];
    const events: SupervisorEvent[] = [];
    const supervisor = createSupervisor({
      command: ['false'],
      storageFolder: '/nowhere',
      keepsWal: true,
      starts: {
        endOrphan: () => Promise.resolve(),
        begin: () => Promise.resolve(0),
        started: () => Promise.resolve(),
        cleared: () => Promise.resolve(),
      },
      salvage: {
        beforeStart: () => Promise.resolve(),
        afterCrash: () => Promise.resolve([]),
        whenReady: () => Promise.resolve([]),
      },
      prepare: () => Promise.resolve(),
      blocked: () => Promise.resolve(undefined),
      ready: () => Promise.reject(new Error('not ready')),
      clock: {
        nowMs: () => 0,
        wallMs: () => 0,
        random: () => 0,
        sleep: async (ms, signal) => {
          // It is asked four times a second whether it is ready: those waits go on until it has ended.
          if (ms === 250) await until('the end', () => signal.aborted);
          else pauses.push(ms);
        },
      },
      secrets: () => [],
      onLine: () => undefined,
      onEvent(event) {
        events.push(event);
        if (events.filter(({ kind }) => kind === 'crashed').length === 9) stop.abort();
      },
    });
    supervisor.want({ args: [], environment: {} });
    await supervisor.run(stop.signal);
    assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    const told = events.flatMap((event) => (event.kind === 'crashed' ? [event.retryMs] : []));
    assert.deepEqual(told, pauses);
  });
});

describe('the reason of a restart for other flags', () => {
  const before = { args: ['--a=1', '--b=1', '--c'], environment: { TOKEN: 'secret', SAME: 'x' } };
  it('names each flag and variable that changed, came or went, once and without its value', () => {
    const after = { args: ['--a=1', '--b=secret', '--d'], environment: { TOKEN: 'other', SAME: 'x' } };
    assert.equal(changedIn(before, after), 'its flags changed (--b, --c, --d, TOKEN)');
  });
});
