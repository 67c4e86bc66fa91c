import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { createDesire } from '../../agent/desired.ts';
import type { Facts } from '../../agent/facts.ts';
import { featuresOf } from '../../agent/prometheus/api/features.ts';
import type { RenderInput } from '../../agent/prometheus/configuration/configuration.ts';
import type { Event } from '../../agent/report/reporter.ts';
import { createRounds, type Rounds, type RoundsOptions } from '../../agent/rounds.ts';
import { readSettings } from '../../agent/shared/settings/settings.ts';
import { createPublisher, type Publication, type Publisher } from '../../agent/targets/publisher.ts';
import { createTargetFile } from '../../agent/targets/target-file.ts';
import { createStateFile } from '../../agent/tsuru/state.ts';
import { temporaryFolder } from '../support/folder.ts';
import { byName, known } from '../support/known-apps.ts';
import { createManualClock } from '../support/manual-clock.ts';

const DEFAULTS = readSettings({});
assert.ok(DEFAULTS.ok);

const FACTS: Facts = {
  apps: byName(known('my-app')),
  seenAtMs: 0,
  settings: DEFAULTS.settings,
  address: undefined,
  features: featuresOf('3.14.0'),
  learned: new Map(),
  revivals: 0,
  capacity: {
    memoryLimitBytes: 2 ** 30,
    volume: { kind: 'tmpfs', sizeBytes: 2 ** 28 },
    load: undefined,
    layout: undefined,
    volumeSteps: undefined,
    paused: new Map(),
    samples: undefined,
  },
};

/** Disposed of once nothing is written any more. */
interface Scene extends AsyncDisposable {
  readonly rounds: Rounds;
  readonly publisher: Publisher;
  readonly targetFile: () => Promise<string>;
  readonly published: Publication[];
  readonly configurations: RenderInput[];
  readonly events: Event[];
  /** What each round was told of how targets were planned before. */
  readonly plannedBefore: unknown[];
  /** Has the next rounds throw. */
  readonly fail: (isFailing: boolean) => void;
}

/** Rounds with a real publisher in a folder, whose clock stands at 99. */
async function start(folder: string, planned?: RoundsOptions['planned']): Promise<Scene> {
  const clock = createManualClock();
  await clock.forward(99, 99);
  const published: Publication[] = [];
  const configurations: RenderInput[] = [];
  const events: Event[] = [];
  const plannedBefore: unknown[] = [];
  let isFailing = false;
  const file = createTargetFile(folder, clock.wallMs);
  const publisher = createPublisher({
    state: createStateFile(folder),
    file,
    clock,
    proof: { replacing: () => undefined, written: () => undefined, lookAgain: () => undefined },
    report: (event) => events.push(event),
  });
  const desire = createDesire({ environment: {}, launch: undefined });
  const rounds = createRounds({
    desire(facts, before) {
      plannedBefore.push(before);
      if (isFailing) throw new Error('a fault');
      return desire(facts, before);
    },
    planned,
    publisher: {
      ...publisher,
      want(publication) {
        published.push(publication);
        publisher.want(publication);
      },
    },
    configuration: {
      configFile: '',
      want: (wanted) => configurations.push(wanted),
      prepare: () => Promise.resolve(),
      run: () => Promise.resolve(),
      check: () => Promise.resolve(undefined),
    },
    own: undefined,
    report: (event) => events.push(event),
    nowMs: clock.nowMs,
  });
  return {
    [Symbol.asyncDispose]: () => publisher.settled(),
    rounds,
    publisher,
    targetFile: () => readFile(file.path, 'utf8'),
    published,
    configurations,
    events,
    plannedBefore,
    fail(next) {
      isFailing = next;
    },
  };
}

describe('rounds', () => {
  it('publish nothing while no app is known, as unknown is not none, but want a configuration', async () => {
    await using folder = await temporaryFolder();
    await using scene = await start(folder.path);
    const { rounds, published, configurations } = scene;
    assert.throws(() => rounds.desired(), /no round yet/);
    rounds.round({ ...FACTS, apps: undefined });
    assert.deepEqual(published, []);
    assert.equal(configurations.length, 1);
    rounds.round({ ...FACTS, apps: new Map(), seenAtMs: 5 });
    assert.equal(published.length, 1, 'no app at all is published');
  });

  it('keep the target file, the configuration and the desired state when a round throws, and continue with the next', async () => {
    await using folder = await temporaryFolder();
    await using scene = await start(folder.path);
    const { rounds, publisher, targetFile, configurations, events, fail } = scene;
    rounds.round({ ...FACTS, seenAtMs: 5 });
    await publisher.settled();
    const before = await targetFile();
    const desired = rounds.desired();
    fail(true);
    events.length = 0;
    rounds.round({ ...FACTS, apps: new Map(), seenAtMs: 6 });
    await publisher.settled();
    assert.deepEqual(events, [{ kind: 'write', outcome: { kind: 'failed', reason: 'a fault' } }]);
    assert.equal(await targetFile(), before);
    assert.equal(configurations.length, 1);
    assert.equal(rounds.desired(), desired);
    fail(false);
    rounds.round({ ...FACTS, apps: new Map(), seenAtMs: 6 });
    await publisher.settled();
    assert.doesNotMatch(await targetFile(), /my-app/);
  });

  it('base each plan on the last one, which survives a round that throws and one without apps', async () => {
    await using folder = await temporaryFolder();
    await using scene = await start(folder.path);
    const { rounds, plannedBefore, fail } = scene;
    rounds.round(FACTS);
    const first = rounds.desired().plan?.memory;
    assert.ok(first !== undefined);
    fail(true);
    rounds.round(FACTS);
    fail(false);
    rounds.round({ ...FACTS, apps: undefined });
    rounds.round(FACTS);
    assert.deepEqual(plannedBefore, [undefined, first, first, first]);
  });

  it('date a change to the poll that brought it, and one of another cause to now', async () => {
    await using folder = await temporaryFolder();
    await using scene = await start(folder.path);
    const { rounds, published } = scene;
    rounds.round({ ...FACTS, seenAtMs: 5 });
    rounds.round({ ...FACTS, seenAtMs: 5, revivals: 1 });
    rounds.round({ ...FACTS, seenAtMs: 50 });
    assert.deepEqual(
      published.map(({ seenAtMs }) => seenAtMs),
      [5, 99, 50],
    );
  });

  it('do not report targets of the last run as changes, but those of the first poll', async () => {
    await using folder = await temporaryFolder();
    await using restored = await start(folder.path);
    restored.rounds.round(FACTS);
    await restored.publisher.settled();
    restored.rounds.round({ ...FACTS, revivals: 1 });
    assert.deepEqual(
      restored.published.map(({ isNews }) => isNews),
      [false, true],
    );
    await restored.publisher.settled();
    await using polled = await start(folder.path);
    polled.rounds.round({ ...FACTS, apps: undefined });
    polled.rounds.round({ ...FACTS, seenAtMs: 5 });
    assert.deepEqual(
      polled.published.map(({ isNews }) => isNews),
      [true],
    );
    await polled.publisher.settled();
  });
});
