import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createInstanceSettings, type InstanceSettings } from '../../../agent/tsuru/instance-settings.ts';
import type { Settings } from '../../../agent/shared/settings/schema.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';

const RETENTION_3D = '{"retention":"3d"}';
const RETENTION_5D = '{"retention":"5d"}';
const DAY_MS = 24 * 3_600_000;

type Check = (settings: Settings) => Promise<string | undefined>;

interface Scene {
  readonly settings: InstanceSettings;
  readonly clock: ManualClock;
  /** The outcomes, in order. */
  readonly told: string[];
  /** The retention of what was checked, in days. */
  readonly checked: number[];
  readonly days: () => number;
  readonly saved: () => Promise<string>;
  readonly setCheck: (check: Check) => void;
  readonly stop: () => void;
}

function daysOf({ retentionMs }: Settings): number {
  return retentionMs / DAY_MS;
}

function start(folder: string): Scene {
  const stopping = new AbortController();
  const clock = createManualClock();
  const told: string[] = [];
  const checked: number[] = [];
  let check: Check = () => Promise.resolve(undefined);
  const settings = createInstanceSettings({
    dataFolder: folder,
    defaults: { retention: '1d' },
    clock,
    check(one) {
      checked.push(daysOf(one));
      return check(one);
    },
    report({ outcome }) {
      told.push(outcome.kind === 'refused' ? `refused: ${outcome.problems.join(' ')}` : outcome.kind);
    },
    stopping: stopping.signal,
  });
  return {
    settings,
    clock,
    told,
    checked,
    days: () => daysOf(settings.current()),
    saved: () => readFile(join(folder, 'settings.json'), 'utf8'),
    setCheck(next) {
      check = next;
    },
    stop() {
      stopping.abort();
    },
  };
}

describe('the settings of an instance', () => {
  it('are those of the annotation, saved for a start without Tsuru, and done once', async () => {
    await using folder = await temporaryFolder();
    const { settings, told, checked, days, saved } = start(folder.path);
    assert.equal(days(), 1);
    await settings.offer(RETENTION_3D);
    await settings.offer(RETENTION_3D);
    assert.equal(days(), 3);
    assert.equal(await saved(), RETENTION_3D);
    assert.deepEqual([told, checked], [['accepted'], [3]]);
    const next = start(folder.path);
    assert.equal(await next.settings.restore(), undefined);
    await next.settings.offer(RETENTION_3D);
    assert.equal(next.days(), 3);
    assert.deepEqual(next.told, [], 'what was restored is no news');
  });

  it('stay when the annotation is gone, as that does not mean the defaults', async () => {
    await using folder = await temporaryFolder();
    const { settings, told, days } = start(folder.path);
    await settings.offer(undefined);
    assert.equal(told.length, 0, 'an app without settings has the defaults');
    await settings.offer(RETENTION_3D);
    await settings.offer(undefined);
    await settings.offer(undefined);
    assert.equal(days(), 3);
    assert.equal(told.length, 2);
    assert.match(told[1] ?? '', /missing from the app/);
    await settings.offer(RETENTION_3D);
    assert.equal(told[2], 'accepted', 'the end of the problem is told');
  });

  it('stay when the new ones are invalid or cannot be rendered, which is retried after a minute', async () => {
    await using folder = await temporaryFolder();
    const { settings, told, checked, days, saved, setCheck, clock } = start(folder.path);
    await settings.offer(RETENTION_3D);
    await settings.offer('{"retention":"soon"}');
    setCheck(() => Promise.resolve('promtool says no'));
    await settings.offer(RETENTION_5D);
    assert.equal(told.at(-1), 'refused: promtool says no');
    assert.equal(days(), 3);
    assert.equal(await saved(), RETENTION_3D);
    setCheck(() => Promise.resolve(undefined));
    await clock.forward(59_999, 59_999);
    await settings.offer(RETENTION_5D);
    assert.deepEqual(checked, [3, 5]);
    await clock.forward(1, 1);
    await settings.offer(RETENTION_5D);
    assert.deepEqual(checked, [3, 5, 5]);
    assert.equal(days(), 5);
  });

  it('are the newest when several come while one is checked', async () => {
    await using folder = await temporaryFolder();
    const { settings, checked, days, setCheck } = start(folder.path);
    const gate = Promise.withResolvers<undefined>();
    setCheck(() => gate.promise);
    const all = [settings.offer(RETENTION_3D), settings.offer('{"retention":"4d"}'), settings.offer(RETENTION_5D)];
    gate.resolve(undefined);
    await Promise.all(all);
    assert.deepEqual(checked, [3, 5]);
    assert.equal(days(), 5);
  });

  it('are the newest also when the check of the one before throws', async () => {
    await using folder = await temporaryFolder();
    const { settings, told, days, setCheck } = start(folder.path);
    setCheck((one) => (daysOf(one) === 3 ? Promise.reject(new Error('no promtool')) : Promise.resolve(undefined)));
    await Promise.all([settings.offer(RETENTION_3D), settings.offer(RETENTION_5D)]);
    assert.deepEqual(told, ['refused: no promtool', 'accepted']);
    assert.equal(days(), 5);
  });

  it('report nothing of a check that is aborted as the agent stops', async () => {
    await using folder = await temporaryFolder();
    const { settings, told, days, setCheck, stop } = start(folder.path);
    setCheck(() => {
      stop();
      return Promise.reject(new Error('stopped'));
    });
    await settings.offer(RETENTION_3D);
    assert.deepEqual(told, []);
    assert.equal(days(), 1);
  });

  it('are in force though they cannot be saved, and are saved by a later poll', async () => {
    await using folder = await temporaryFolder();
    const { settings, told, checked, days, saved } = start(folder.path);
    await mkdir(join(folder.path, 'settings.json', 'in-the-way'), { recursive: true });
    await settings.offer(RETENTION_3D);
    assert.deepEqual(told, ['accepted', 'not_saved']);
    assert.equal(days(), 3);
    await rm(join(folder.path, 'settings.json'), { recursive: true });
    await settings.offer(RETENTION_3D);
    assert.equal(await saved(), RETENTION_3D);
    assert.deepEqual(checked, [3]);
  });

  it('are the defaults when the saved ones cannot be used, which is reported', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'settings.json'), '{"retention":');
    const { settings, days } = start(folder.path);
    assert.match((await settings.restore()) ?? '', /the saved settings cannot be used/);
    assert.equal(days(), 1);
  });
});
