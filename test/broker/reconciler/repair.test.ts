// Parts of an instance that Tsuru knows, removed or edited by hand.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../../support/instance.ts';
import { until } from '../../support/until.ts';
import { createApp } from '../../tsuru/client.ts';
import { APP, grantsOf, partsOf, startStage, type Stage } from '../stage.ts';
import { annotationOf, envOf, HASTY, startUp, unitsOf, untilRounds } from './hasty.ts';

const SETTINGS = 'prometheus-service/settings';
const PLAN = 'prometheus-service/plan';
const OWNER = 'prometheus-service/instance';
const ALL_PARTS = ['app', 'volume', 'token'];

async function annotate({ admin }: Stage, annotations: Readonly<Record<string, string | undefined>>): Promise<void> {
  const items = Object.entries(annotations).map(([name, value]) =>
    value === undefined ? { name, delete: true } : { name, value },
  );
  const json = { metadata: { annotations: items }, noRestart: true };
  await expect(admin.call('PUT', `/1.0/apps/${APP}`, { json }), 200);
}

async function tagsOf({ admin }: Stage): Promise<readonly string[]> {
  const { tags } = JSON.parse((await admin.call('GET', `/1.0/apps/${APP}`)).body) as { tags: string[] };
  return tags.sort();
}

async function boundTo({ admin }: Stage): Promise<readonly string[]> {
  const { status, body } = await admin.call('GET', `/1.4/volumes/${APP}`);
  if (status !== 200) return [];
  return ((JSON.parse(body) as { Binds: { ID: { App: string } }[] | null }).Binds ?? []).map(({ ID }) => ID.App);
}

/** Takes the volume from the app, as somebody does who then restarts nothing. */
async function unbindVolume({ admin }: Stage): Promise<void> {
  const path = `/1.4/volumes/${APP}/bind?App=${APP}&MountPoint=%2Fprometheus&NoRestart=true`;
  await expect(admin.call('DELETE', path), 200);
}

async function retentionOf(stage: Stage): Promise<string | undefined> {
  return (JSON.parse((await annotationOf(stage, SETTINGS)) ?? '{}') as { retention?: string }).retention;
}

describe('the reconciler repairs', { concurrency: 2 }, () => {
  it('an instance whose app a user removed: app, volume, access and deploy, and the binds', async () => {
    await using stage = await startUp();
    await expect(stage.update('my-instance', { 'parameters.retention': '3d' }), 200);
    const before = await envOf(stage);
    await expect(stage.admin.call('DELETE', `/1.0/apps/${APP}`), 200);
    assert.deepEqual(await partsOf(stage), ['volume', 'token']);
    await until('all parts', async () => (await partsOf(stage)).length === ALL_PARTS.length);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    assert.deepEqual(await boundTo(stage), [APP]);
    assert.equal(await retentionOf(stage), '3d');
    assert.deepEqual(await grantsOf(stage), ['prometheus-reader my-app', `prometheus-reader ${APP}`].sort());
    assert.equal((await envOf(stage)).get('TSURU_TOKEN'), before.get('TSURU_TOKEN'));
    await until('the binds', async () => (await annotationOf(stage, 'prometheus-service/binds')) !== undefined);
    assert.ok(stage.lines.some((line) => line.includes(`made the app ${APP} again`)));
  });

  it('an instance without any part, and leaves out the parameters that were refused', async () => {
    await using stage = await startUp();
    const refused = {
      ...{ 'parameters.retention': 'soon', 'parameters.image': '9.9' },
      'parameters.scrape_interval': '30s',
    };
    await expect(stage.update('my-instance', refused), 500);
    await expect(stage.admin.call('DELETE', `/1.0/apps/${APP}`), 200);
    await expect(stage.admin.call('DELETE', `/1.4/volumes/${APP}`), 200);
    await expect(stage.admin.call('DELETE', `/1.6/tokens/${APP}`), 200);
    await until('all parts', async () => (await partsOf(stage)).length === ALL_PARTS.length);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    const settings = (await annotationOf(stage, SETTINGS)) ?? '';
    assert.match(settings, /"scrape_interval":"30s"/);
    assert.doesNotMatch(settings, /soon/);
    assert.equal(await annotationOf(stage, 'prometheus-service/requested-image'), undefined);
    const words = 'without the parameters that are refused (retention, image)';
    assert.ok(stage.lines.some((line) => line.includes(words)));
  });

  it('a volume that was unbound, and one that was removed, without a restart', async () => {
    await using stage = await startUp();
    const units = await unitsOf(stage);
    await unbindVolume(stage);
    await until('the bind', async () => (await boundTo(stage)).includes(APP));
    await unbindVolume(stage);
    await expect(stage.admin.call('DELETE', `/1.4/volumes/${APP}`), 200);
    await until('the volume', async () => (await boundTo(stage)).includes(APP));
    assert.deepEqual(await unitsOf(stage), units);
  });

  it('settings that were edited, removed, or replaced by nonsense, without a restart', async () => {
    await using stage = await startUp();
    await expect(stage.update('my-instance', { 'parameters.retention': '3d' }), 200);
    const units = await unitsOf(stage);
    const settings = await annotationOf(stage, SETTINGS);
    for (const edited of ['{"retention":"1h"}', undefined, 'nonsense']) {
      await annotate(stage, { [SETTINGS]: edited });
      await until('the settings', async () => (await annotationOf(stage, SETTINGS)) === settings);
    }
    await annotate(stage, { [PLAN]: 'large', [SETTINGS]: '{}' });
    await until('the plan', async () => (await annotationOf(stage, PLAN)) === 'small');
    assert.equal(await annotationOf(stage, SETTINGS), settings);
    assert.deepEqual(await unitsOf(stage), units);
  });

  it('the tags and the annotation that say whose an app is, beside the tags of its team', async () => {
    await using stage = await startUp();
    const units = await unitsOf(stage);
    const tags = await tagsOf(stage);
    await expect(
      stage.admin.call('PUT', `/1.0/apps/${APP}`, { form: { tags: ['of-the-team'], noRestart: 'true' } }),
      200,
    );
    await until('the tags', async () => (await tagsOf(stage)).length === tags.length + 1);
    assert.deepEqual(await tagsOf(stage), [...tags, 'of-the-team'].sort());
    await annotate(stage, { [OWNER]: undefined });
    await until('the annotation', async () => (await annotationOf(stage, OWNER)) !== undefined);
    assert.deepEqual(await unitsOf(stage), units);
  });

  it('both marks of an app, as it has the token that only the broker gives, and no app of somebody else', async () => {
    await using stage = await startUp();
    const [units, tags] = [await unitsOf(stage), await tagsOf(stage)];
    const unmark = async (): Promise<void> => {
      await annotate(stage, { [OWNER]: 'nonsense' });
      const form = { tags: ['of-the-team'], noRestart: 'true' };
      await expect(stage.admin.call('PUT', `/1.0/apps/${APP}`, { form }), 200);
    };
    await unmark();
    await until('the tags', async () => (await tagsOf(stage)).length > tags.length);
    assert.equal(
      await annotationOf(stage, OWNER),
      tags.find((tag) => tag.includes('/')),
    );
    assert.deepEqual(await unitsOf(stage), units);

    await expect(stage.admin.call('DELETE', `/1.0/apps/${APP}`), 200);
    await createApp(stage.admin, APP, 'shop/app:1');
    await until('the report', () => stage.lines.some((line) => line.includes('which belongs to somebody else')));
    await untilRounds(stage, 3);
    assert.deepEqual(await tagsOf(stage), []);
  });

  it('nothing with what was refused: it reports the edited settings, and names the update that helps', async () => {
    await using stage = await startUp();
    await expect(stage.update('my-instance', { 'parameters.retention': '3d' }), 200);
    // All of it is refused, though the retention alone would not be.
    await expect(stage.update('my-instance', { 'parameters.retention': '5d', 'parameters.nonsense': 'x' }), 500);
    await untilRounds(stage, 3);
    assert.equal(await retentionOf(stage), '3d');
    await annotate(stage, { [SETTINGS]: '{"retention":"1h"}' });
    await until('the report', () => stage.lines.some((line) => line.includes('somebody edited the settings')));
    await untilRounds(stage, 3);
    assert.equal(await retentionOf(stage), '1h');
    assert.ok(stage.lines.some((line) => line.includes('tsuru service-instance-update prometheus my-instance')));
  });

  it('the binds, which somebody edited, and those of an instance without any', async () => {
    await using stage = await startUp();
    const binds = 'prometheus-service/binds';
    for (const edited of ['nonsense', '{"another":"shop"}', undefined]) {
      await annotate(stage, { [binds]: edited });
      await until('the binds', async () => (await annotationOf(stage, binds)) === '{"my-app":"shop"}');
    }
    await expect(stage.unbind('my-app'), 200);
    await annotate(stage, { [binds]: 'nonsense' });
    await until('no binds', async () => (await annotationOf(stage, binds)) === undefined);
  });

  it('the plan’s name beside a refused update, which says nothing about it', async () => {
    await using stage = await startUp();
    await expect(stage.update('my-instance', { 'parameters.retention': 'soon' }), 500);
    for (const edited of [undefined, 'nonsense', 'large']) {
      await annotate(stage, { [PLAN]: edited });
      await until('the plan', async () => (await annotationOf(stage, PLAN)) === 'small');
    }
  });

  it('no app of an instance that is being removed', async () => {
    await using stage = await startUp();
    await expect(stage.unbind('my-app'), 200);
    await expect(stage.remove(), 200);
    await untilRounds(stage, 3);
    assert.deepEqual(await partsOf(stage), []);
  });

  it('a deploy that broke off with its Tsuru, and none that failed', async () => {
    await using stage = await startStage({ clock: HASTY });
    const path = `/apps/${APP}/deploy`;
    const lost = stage.tsuru.faults.add({ kind: 'drop', method: 'POST', path });
    await expect(stage.add(), 201);
    const ended = (error: string): (() => void) => {
      const body = JSON.stringify([{ UniqueID: 'a'.repeat(24), Running: false, Error: error }]);
      return stage.tsuru.faults.add({ kind: 'body', method: 'GET', path: '/events', body });
    };
    const failed = ended('failed to pull the image');
    await untilRounds(stage, 3);
    lost();
    const deploys = (): number => stage.tsuru.requests.count('POST', `/1.0${path}`);
    const before = deploys();
    await untilRounds(stage, 3);
    assert.equal(deploys(), before);
    failed();
    ended('event expired, no update for 10m3.2s');
    await until('a unit', async () => (await unitsOf(stage)).length > 0);
    assert.ok(stage.lines.some((line) => line.includes(`${APP} was never deployed to its end: it is now`)));
  });
});
