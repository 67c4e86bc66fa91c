import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../../agent/shared/clock.ts';
import { createStateFile } from '../../../agent/state.ts';
import { createTargetFile } from '../../../agent/targets/file.ts';
import { createPublisher, type Publisher } from '../../../agent/targets/publisher.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { byName, known, OPTIONS } from '../apps.ts';

const BOTH = byName(known('my-app'), known('other'));
const ONE = byName(known('other'));
const WHY = 'it was unbound';

/** A publisher in a folder, and what it tells. */
function start(folder: string): { publisher: Publisher; told: string[]; settingsChange: () => void } {
  const told: string[] = [];
  let options = OPTIONS;
  const publisher = createPublisher({
    state: createStateFile(folder),
    file: createTargetFile(folder, systemClock.wallMs),
    clock: systemClock,
    discovery: () => options,
    fit: () => asIs,
    onChange(_discovery, changes) {
      told.push(...changes.map(({ text }) => text));
    },
    onReplace: () => undefined,
    onWrite: () => undefined,
    onState: () => undefined,
  });
  return {
    publisher,
    told,
    settingsChange() {
      options = { ...options };
    },
  };
}

const asIs = <T>(discovery: T): T => discovery;

describe('why an app is gone', () => {
  it('is told with the publish that lacks it, whatever is published in between', async () => {
    await using folder = await temporaryFolder();
    const { publisher, told, settingsChange } = start(folder.path);
    await publisher.publish(BOTH, 0);
    told.length = 0;
    publisher.explain(new Map([['my-app', WHY]]));
    settingsChange();
    await publisher.publishAgain();
    await publisher.publish(new Map(BOTH), 1);
    assert.deepEqual(told, []);
    await publisher.publish(ONE, 2);
    assert.deepEqual(told, [`my-app: ${WHY}: 1 unit removed, 0 scraped`]);
  });

  it('is told also when another publish is under way, and again once the app has returned and goes for another reason', async () => {
    await using folder = await temporaryFolder();
    const { publisher, told, settingsChange } = start(folder.path);
    await publisher.publish(BOTH, 0);
    told.length = 0;
    settingsChange();
    const underWay = publisher.publishAgain();
    publisher.explain(new Map([['my-app', WHY]]));
    await Promise.all([underWay, publisher.publish(ONE, 1)]);
    assert.deepEqual(told, [`my-app: ${WHY}: 1 unit removed, 0 scraped`]);
    await publisher.publish(BOTH, 2);
    told.length = 0;
    await publisher.publish(ONE, 3);
    assert.deepEqual(told, ['my-app: it is gone: 1 unit removed, 0 scraped'], 'an old reason is not told again');
  });
});
