import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { systemClock } from '../../../agent/shared/clock.ts';
import type { KnownApps } from '../../../agent/discovery/known-apps.ts';
import { discover } from '../../../agent/discovery/discover.ts';
import { createStateFile } from '../../../agent/tsuru/state.ts';
import { createTargetFile } from '../../../agent/targets/target-file.ts';
import { createPublisher, type Publisher } from '../../../agent/targets/publisher.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { byName, known, OPTIONS } from '../../support/known-apps.ts';

const BOTH = byName(known('my-app'), known('other'));
const ONE = byName(known('other'));
const WHY = 'it was unbound';

interface Scene {
  readonly publisher: Publisher;
  readonly told: string[];
  /** Has an app's targets published as they would be discovered again. */
  readonly publish: (known: KnownApps) => Promise<void>;
}

/** A publisher in a folder, and what it reports. */
function start(folder: string): Scene {
  const told: string[] = [];
  const publisher = createPublisher({
    state: createStateFile(folder),
    file: createTargetFile(folder, systemClock.wallMs),
    clock: systemClock,
    proof: { replacing: () => undefined, written: () => undefined, lookAgain: () => undefined },
    report(event) {
      if (event.kind === 'targets') told.push(...event.changes.map(({ text }) => text));
    },
  });
  return {
    publisher,
    told,
    async publish(known) {
      publisher.want({ known, discovery: discover(known, OPTIONS), seenAtMs: 0, isNews: true });
      await publisher.settled();
    },
  };
}

describe('the target file of a publisher', () => {
  it('is put in place again, also while another is being written, and what is wanted meanwhile is written', async () => {
    await using folder = await temporaryFolder();
    const file = createTargetFile(folder.path, systemClock.wallMs);
    const { publisher, publish } = start(folder.path);
    await publish(BOTH);
    const { ino } = await stat(file.path);
    publisher.putAgain();
    await publish(ONE);
    await publisher.settled();
    assert.doesNotMatch((await file.read()) ?? '', /my-app/);
    const after = await stat(file.path);
    publisher.putAgain();
    await publisher.settled();
    assert.equal(new Set([ino, after.ino, (await stat(file.path)).ino]).size, 3);
  });
});

describe('why an app is gone', () => {
  it('is reported with the publish that lacks it, whatever is published in between', async () => {
    await using folder = await temporaryFolder();
    const { publisher, told, publish } = start(folder.path);
    await publish(BOTH);
    told.length = 0;
    publisher.explain(new Map([['my-app', WHY]]));
    await publish(BOTH);
    await publish(new Map(BOTH));
    assert.deepEqual(told, []);
    await publish(ONE);
    assert.deepEqual(told, [`my-app: ${WHY}: 1 unit removed, 0 scraped`]);
  });

  it('is reported also when another publish is under way, and again once the app has returned and goes for another reason', async () => {
    await using folder = await temporaryFolder();
    const { publisher, told, publish } = start(folder.path);
    await publish(BOTH);
    told.length = 0;
    const underWay = publish(BOTH);
    publisher.explain(new Map([['my-app', WHY]]));
    await Promise.all([underWay, publish(ONE)]);
    assert.deepEqual(told, [`my-app: ${WHY}: 1 unit removed, 0 scraped`]);
    await publish(BOTH);
    told.length = 0;
    await publish(ONE);
    assert.deepEqual(told, ['my-app: it is gone: 1 unit removed, 0 scraped'], 'an old reason is not told again');
  });
});
