import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../../agent/clock.ts';
import { createPoller } from '../../../agent/poll/poller.ts';

const LIST = JSON.stringify([{ name: 'prometheus-mine', pool: '', teamowner: '', ip: 'mine.example.com', units: [] }]);

describe('a poll', () => {
  it('tells of the own app each time, also when the list is the same: refused settings are tried again then', async () => {
    const stop = new AbortController();
    const told: (string | undefined)[] = [];
    const poller = createPoller({
      tsuru: {
        get: () => Promise.resolve({ status: 200, requestId: '', chunks: [Buffer.from(LIST)] }),
        close: () => Promise.resolve(),
      },
      clock: systemClock,
      random: Math.random,
      intervalMs: 1,
      ownApp: 'prometheus-mine',
      restored: new Map(),
      sink: {
        publish: () => Promise.resolve(),
        onGone: () => undefined,
        onPoll: () => undefined,
        onDetails: () => undefined,
        onOwnApp(own) {
          told.push(own?.address);
          if (told.length === 3) stop.abort();
        },
        onWait: () => undefined,
        changedAtMs: () => undefined,
        writePending: () => false,
      },
    });
    await poller.run(stop.signal);
    assert.deepEqual(told, ['mine.example.com', 'mine.example.com', 'mine.example.com']);
  });
});
