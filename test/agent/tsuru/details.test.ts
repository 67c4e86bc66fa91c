import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { KnownApps } from '../../../agent/discovery/known-apps.ts';
import { createDetails, type Details } from '../../../agent/tsuru/details.ts';
import { byName, known, unit } from '../../support/known-apps.ts';

/** Answers when the test says so. */
interface Held {
  readonly app: string;
  answer(): Promise<void>;
  fail(): Promise<void>;
}

describe('details that are being asked for', () => {
  const { signal } = new AbortController();
  let apps: KnownApps;
  let held: Held[];
  let nowMs: number;
  let details: Details;

  beforeEach(() => {
    held = [];
    nowMs = 0;
    apps = byName(known('a'));
    details = createDetails({
      tsuru: {
        async get(call, path) {
          const app = path.split('/').at(-1) ?? '';
          const { promise, resolve, reject } = Promise.withResolvers<undefined>();
          held.push({
            app,
            async answer() {
              resolve(undefined);
              await turn();
            },
            async fail() {
              reject(new Error('no answer'));
              await turn();
            },
          });
          await promise;
          const body = { name: app, internalAddresses: [], processes: [] };
          return { status: 200, requestId: '', chunks: [Buffer.from(JSON.stringify(body))] };
        },
        close: () => Promise.resolve(),
      },
      nowMs: () => nowMs,
      random: () => 0,
      current: () => apps,
      onTold: () => undefined,
      onEnd: () => Promise.resolve(),
    });
  });

  /** A poll, 5 s after the last one. */
  function poll(next: KnownApps = apps): void {
    apps = next;
    nowMs += 5_000;
    void details.refresh(apps, signal);
  }

  const askedFor = (): string[] => held.map(({ app }) => app);

  it('are not asked for once more by the polls that come meanwhile', async () => {
    poll();
    poll();
    poll();
    await held[0]?.answer();
    poll();
    assert.deepEqual(askedFor(), ['a']);
  });

  it('are asked for once more when the app changed meanwhile', async () => {
    poll();
    poll(byName(known('a', { app: { annotations: { 'prometheus.io/port': '9100' } } })));
    await held[0]?.answer();
    poll();
    poll();
    assert.deepEqual(askedFor(), ['a', 'a']);
  });

  it('are requested again for the named apps alone, or for all', async () => {
    poll(byName(known('a'), known('b'), known('c')));
    for (const one of held) await one.answer();
    poll();
    for (const one of held) await one.answer();
    poll();
    const before = ['a', 'b', 'c', 'b', 'c'];
    assert.deepEqual(askedFor(), before);
    details.askAgain(new Set(['b', 'unbound']));
    poll();
    assert.deepEqual(askedFor(), [...before, 'b']);
    await held.at(-1)?.answer();
    details.askAgain('all');
    poll();
    assert.deepEqual(askedFor(), [...before, 'b', 'a', 'b', 'c']);
  });

  it('are asked for again, but not at once, when they could not be fetched', async () => {
    poll();
    await held[0]?.fail();
    poll();
    assert.deepEqual(askedFor(), ['a']);
    poll();
    assert.deepEqual(askedFor(), ['a', 'a']);
  });

  it('are asked for again at the next poll when they could not be fetched and the app changed meanwhile', async () => {
    poll();
    poll(byName(known('a', { units: [unit('a-1'), unit('a-2')] })));
    await held[0]?.fail();
    poll();
    assert.deepEqual(askedFor(), ['a', 'a']);
    await held[1]?.fail();
    poll();
    assert.deepEqual(askedFor(), ['a', 'a']);
  });

  it('delay neither those of a new app nor the rest, four at a time', async () => {
    const { details: none, ...untold } = known('new');
    assert.ok(none);
    poll();
    poll(byName(known('a'), known('b'), known('c'), untold, known('d')));
    assert.deepEqual(askedFor(), ['a', 'new', 'b', 'c']);
    await held[1]?.answer();
    assert.deepEqual(askedFor(), ['a', 'new', 'b', 'c', 'd']);
  });

  it('are asked for once more of an app that is new, but not of one that an earlier agent knew', async () => {
    const refresh = async (): Promise<void> => {
      const refreshed = details.refresh(apps, signal);
      await turn();
      for (const one of held) await one.answer();
      await refreshed;
    };
    await refresh();
    apps = new Map([...apps, ...byName(known('b'))]);
    for (let polls = 0; polls < 4; polls += 1) {
      nowMs += 5_000;
      await refresh();
    }
    assert.deepEqual(
      held.map(({ app }) => app),
      ['a', 'b', 'b'],
    );
  });
});
