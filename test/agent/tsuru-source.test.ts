import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFacts, type FactStore, type Facts } from '../../agent/facts.ts';
import { featuresOf } from '../../agent/prometheus/api/features.ts';
import type { Event } from '../../agent/report/reporter.ts';
import { readSettings } from '../../agent/shared/settings/settings.ts';
import { createTsuruSource, type TsuruSource } from '../../agent/tsuru-source.ts';
import { byName, known } from '../support/known-apps.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

const FIRST = readSettings({});
const LATER = readSettings({ retention: '3d' });
assert.ok(FIRST.ok && LATER.ok);
const LATER_SETTINGS = LATER.settings;

const FACTS: Facts = {
  apps: undefined,
  seenAtMs: 0,
  settings: FIRST.settings,
  address: undefined,
  features: featuresOf('3.14.0'),
  learned: new Map(),
  revivals: 0,
  capacity: undefined,
};

const POLLED: Event & { readonly kind: 'poll' } = {
  kind: 'poll',
  outcome: { kind: 'answered', problems: [] },
  durationMs: 1,
};

interface Scene {
  readonly facts: FactStore;
  readonly source: TsuruSource;
  readonly clock: ManualClock;
  readonly events: Event[];
  /** The annotations that were offered. */
  readonly offered: (string | undefined)[];
  /** Puts the offered settings in force. */
  readonly accept: () => void;
  readonly written: PromiseWithResolvers<undefined>;
}

function start(): Scene {
  const clock = createManualClock();
  const facts = createFacts(FACTS);
  const events: Event[] = [];
  const offered: (string | undefined)[] = [];
  const accepted = Promise.withResolvers<undefined>();
  const written = Promise.withResolvers<undefined>();
  let url: string | undefined;
  let settings = FACTS.settings;
  const source = createTsuruSource({
    facts,
    publisher: {
      want: () => undefined,
      putAgain: () => undefined,
      settled: () => written.promise,
      explain: () => undefined,
      current: () => undefined,
      isOnDisk: () => false,
      changedAtMs: () => undefined,
      writePending: () => false,
    },
    address: {
      url: () => url,
      restore: () => Promise.resolve(),
      offer(told) {
        if (told === 'none') return Promise.resolve('it is none');
        url = told;
        return Promise.resolve(undefined);
      },
    },
    settings: {
      current: () => settings,
      restore: () => Promise.resolve(undefined),
      offer(annotation) {
        offered.push(annotation);
        return accepted.promise;
      },
    },
    report: (event) => events.push(event),
    nowMs: clock.nowMs,
  });
  return {
    facts,
    source,
    clock,
    events,
    offered,
    accept() {
      settings = LATER_SETTINGS;
      accepted.resolve(undefined);
    },
    written,
  };
}

/** The instance's own app as a list has it. */
function own(address: string | undefined): Parameters<TsuruSource['sink']['ownApp']>[0] {
  return { app: known('prometheus-mine').app, units: { kind: 'known', units: [] }, address };
}

describe("the source of Tsuru's answers", () => {
  it('makes a round at once when it is published, and is published only when it is on disk', async () => {
    const { facts, source, written } = start();
    const rounds: Facts[] = [];
    facts.follow((now) => rounds.push(now));
    const apps = byName(known('my-app'));
    let isPublished = false;
    const published = source.sink.publish(apps, 7).then(() => {
      isPublished = true;
    });
    assert.deepEqual([rounds.length, rounds[1]?.apps, rounds[1]?.seenAtMs], [2, apps, 7]);
    await Promise.resolve();
    assert.equal(isPublished, false);
    written.resolve(undefined);
    await published;
  });

  it('completes the first poll only when its settings are in force', async () => {
    const { facts, source, accept } = start();
    let isOver = false;
    const first = source.firstPoll.then(() => {
      isOver = true;
    });
    source.sink.ownApp(own('http://mine.example.com/'));
    source.sink.report(POLLED);
    for (let turns = 0; turns < 10; turns += 1) await Promise.resolve();
    assert.equal(isOver, false);
    assert.equal(facts.current().address, 'http://mine.example.com/');
    assert.equal(facts.current().settings, FACTS.settings);
    accept();
    await first;
    assert.equal(facts.current().settings, LATER_SETTINGS);
  });

  it('completes the first poll also when that failed, so that a start does not wait for Tsuru', async () => {
    const { source, offered, events } = start();
    source.sink.report({ ...POLLED, outcome: { kind: 'failed', failure: 'timeout', reason: 'no answer' } });
    await source.firstPoll;
    assert.deepEqual(offered, []);
    assert.equal(events.length, 1);
  });

  it('changes neither address nor settings while its own app is missing or cannot be read, as unknown is not none', async () => {
    const { source, offered, events } = start();
    source.sink.ownApp(undefined);
    source.sink.ownApp(own(undefined));
    source.sink.report(POLLED);
    await source.firstPoll;
    assert.deepEqual(offered, []);
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['own_app', 'own_app', 'poll'],
    );
  });

  it('applies the settings also when the address that came with them is invalid, which is reported', async () => {
    const { facts, source, offered, events, accept } = start();
    source.sink.ownApp(own('none'));
    source.sink.report(POLLED);
    accept();
    await source.firstPoll;
    assert.equal(facts.current().address, undefined);
    assert.equal(offered.length, 1);
    assert.ok(events.some((event) => event.kind === 'address' && event.problem === 'it is none'));
  });

  it('is overdue from the time the next poll was due', async () => {
    const { source, clock } = start();
    source.sink.report({ kind: 'wait', waitMs: 30_000 });
    await clock.forward(10_000, 10_000);
    assert.equal(source.overdueMs(), -20_000);
    await clock.forward(50_000, 50_000);
    assert.equal(source.overdueMs(), 30_000);
  });
});
