import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inOrder } from '../support/in-order.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import type { Reply } from '../tsuru/client.ts';
import type { Fault } from '../tsuru/faults.ts';
import type { Pool } from '../tsuru/pools.ts';
import { APP, grantsOf, partsOf, startStage, type Stage } from './stage.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const ALL = ['app', 'volume', 'token'];

async function assertUp(stage: Stage): Promise<void> {
  await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
}

async function startUp(): Promise<Stage> {
  const stage = await startStage();
  await expect(stage.add(), 201);
  await assertUp(stage);
  return stage;
}

async function jsonOf<T>({ admin }: Stage, path: string): Promise<T> {
  return inOrder(JSON.parse((await expect(admin.call('GET', path), 200)).body) as T);
}

interface Volume {
  readonly Pool: string;
  readonly Binds: readonly { readonly ID: { readonly App: string } }[] | null;
}

const volumeOf = (stage: Stage): Promise<Volume> => jsonOf(stage, `/1.4/volumes/${APP}`);
const appOf = (
  stage: Stage,
): Promise<{ readonly pool: string; readonly tags: readonly string[]; readonly teamowner: string }> =>
  jsonOf(stage, `/1.0/apps/${APP}`);

/** Changes of the volume that Tsuru was asked for. */
function volumeChanges({ tsuru }: Stage): string[] {
  return tsuru.requests
    .all()
    .filter(({ method, path }) => method !== 'GET' && /\/volumes(\/|$)/.test(path))
    .map(({ method, path }) => `${method} ${path}`);
}

/** Somebody has mounted the instance's volume in an app of theirs as well. */
async function bindElsewhere(stage: Stage): Promise<void> {
  await stage.createApp('other');
  const form = { App: 'other', MountPoint: '/data', NoRestart: 'true' };
  await expect(stage.admin.call('POST', `/1.4/volumes/${APP}/bind`, { form }), 200);
}

describe('a volume that is bound to another app as well', () => {
  it('is not touched by a creation, which takes back what it has made', async () => {
    await using stage = await startUp();
    await bindElsewhere(stage);
    await expect(stage.remove(), 200);
    const before = await volumeOf(stage);
    assert.deepEqual(
      before.Binds?.map(({ ID }) => ID.App),
      ['other'],
    );
    stage.tsuru.requests.clear();
    const { status, body } = await stage.ask('POST', '/resources', {
      body: 'name=my-instance&team=shop&plan=medium',
      headers: FORM,
    });
    assert.deepEqual(
      [status, body],
      [400, `There is a volume ${APP} already, which belongs to somebody else: choose another name for the instance.`],
    );
    assert.deepEqual(volumeChanges(stage), ['POST /1.4/volumes']);
    assert.deepEqual(await volumeOf(stage), before);
    assert.deepEqual(await partsOf(stage), ['volume']);
  });

  it('is not touched by a creation that goes on with an app of an earlier try', async () => {
    await using stage = await startUp();
    await bindElsewhere(stage);
    const before = await volumeOf(stage);
    stage.tsuru.requests.clear();
    const { status, body } = await stage.ask('POST', '/resources', {
      body: 'name=my-instance&team=shop&plan=medium',
      headers: FORM,
    });
    assert.equal(status, 400);
    assert.match(body, /a volume prometheus-my-instance already, which belongs to somebody else/);
    assert.deepEqual(volumeChanges(stage), ['POST /1.4/volumes']);
    assert.deepEqual(await volumeOf(stage), before);
    assert.deepEqual(await partsOf(stage), ALL);
    assert.equal((await stage.info())['In force'], 'small (c0.5m1)');
  });

  it('is not touched by an update of the plan, which is refused before anything is changed', async () => {
    await using stage = await startUp();
    await bindElsewhere(stage);
    const before = await volumeOf(stage);
    stage.tsuru.requests.clear();
    const { status, body } = await stage.ask('PUT', '/resources/my-instance', {
      body: 'team=ops&plan=medium&parameters.retention=3d',
      headers: FORM,
    });
    assert.equal(status, 400);
    assert.match(body, /a volume prometheus-my-instance already, which belongs to somebody else/);
    assert.deepEqual([...new Set(stage.tsuru.requests.all().map(({ method }) => method))], ['GET']);
    assert.deepEqual(await volumeOf(stage), before);
  });

  it('is not touched by an update of settings and team, which goes live without it', async () => {
    await using stage = await startUp();
    await bindElsewhere(stage);
    const before = await volumeOf(stage);
    stage.tsuru.requests.clear();
    const { status } = await stage.ask('PUT', '/resources/my-instance', {
      body: 'team=ops&parameters.retention=3d',
      headers: FORM,
    });
    assert.equal(status, 200);
    assert.deepEqual(volumeChanges(stage), []);
    assert.deepEqual(await volumeOf(stage), before);
    assert.equal((await appOf(stage)).teamowner, 'ops');
  });

  it('is not touched by a removal, which takes everything else', async () => {
    await using stage = await startUp();
    await bindElsewhere(stage);
    const before = await volumeOf(stage);
    stage.tsuru.requests.clear();
    await expect(stage.remove(), 200);
    assert.deepEqual(volumeChanges(stage), []);
    // With the app its own bind is gone.
    assert.deepEqual(await volumeOf(stage), { ...before, Binds: before.Binds?.filter(({ ID }) => ID.App === 'other') });
    assert.deepEqual(await partsOf(stage), ['volume']);
  });

  it('is the instance’s again once the other app is gone', async () => {
    await using stage = await startUp();
    await bindElsewhere(stage);
    await expect(stage.remove(), 200);
    await expect(stage.admin.call('DELETE', '/1.0/apps/other'), 200);
    await expect(stage.add(), 201);
    await assertUp(stage);
    assert.deepEqual(
      (await volumeOf(stage)).Binds?.map(({ ID }) => ID.App),
      [APP],
    );
    await expect(stage.remove(), 200);
    assert.deepEqual(await partsOf(stage), []);
  });
});

const DEV: Pool = { name: 'dev', isDefault: true, isPublic: true, provisioner: 'kubernetes' };
const POOLS = { pools: [DEV, { ...DEV, name: 'far', isDefault: false }] };

/** Makes parts as an earlier try would have left them: by a creation that fails and cannot be undone. */
async function leaveParts(
  stage: Stage,
  failing: Pick<Fault, 'method' | 'path'>,
  made: readonly string[],
): Promise<void> {
  const { faults } = stage.tsuru;
  faults.add({ kind: 'status', status: 500, ...failing });
  faults.add({ kind: 'status', status: 500, method: 'DELETE' });
  assert.equal((await stage.add()).status, 500);
  faults.clear();
  assert.deepEqual(await partsOf(stage), made);
}

describe('a leftover in another pool than the one asked for', () => {
  const addIn = (stage: Stage, pool: string): Promise<Reply> => stage.add('my-instance', { 'parameters.pool': pool });

  for (const { what, path, made } of [
    { what: 'an app', path: '/volumes', made: ['app'] },
    { what: 'an app with its volume', path: `/volumes/${APP}/bind`, made: ['app', 'volume'] },
    { what: 'an app with its volume mounted', path: '/tokens', made: ['app', 'volume'] },
    { what: 'an app with volume and token', path: `/apps/${APP}/env`, made: ALL },
  ]) {
    it(`is made anew in that pool: ${what}`, async () => {
      await using stage = await startStage({ tsuru: POOLS });
      await leaveParts(stage, { method: 'POST', path }, made);
      assert.equal((await appOf(stage)).pool, 'dev');
      await expect(addIn(stage, 'far'), 201);
      await assertUp(stage);
      assert.equal((await appOf(stage)).pool, 'far');
      const volume = await volumeOf(stage);
      assert.deepEqual([volume.Pool, volume.Binds?.map(({ ID }) => ID.App)], ['far', [APP]]);
      assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
      await expect(stage.remove(), 200);
      assert.deepEqual(await partsOf(stage), []);
    });
  }

  it('is made anew in that pool: a volume alone', async () => {
    await using stage = await startStage({ tsuru: POOLS });
    await leaveParts(stage, { method: 'POST', path: '/tokens' }, ['app', 'volume']);
    await expect(stage.admin.call('DELETE', `/1.0/apps/${APP}`), 200);
    assert.deepEqual(await partsOf(stage), ['volume']);
    await expect(addIn(stage, 'far'), 201);
    await assertUp(stage);
    assert.deepEqual([(await appOf(stage)).pool, (await volumeOf(stage)).Pool], ['far', 'far']);
  });

  it('stays where it is when no pool is asked for, or the same', async () => {
    for (const more of [{}, { 'parameters.pool': 'far' }]) {
      await using stage = await startStage({ tsuru: POOLS });
      const { faults } = stage.tsuru;
      faults.add({ kind: 'status', status: 500, method: 'POST', path: '/tokens', times: 1 });
      faults.add({ kind: 'status', status: 500, method: 'DELETE' });
      assert.equal((await addIn(stage, 'far')).status, 500);
      faults.clear();
      stage.tsuru.requests.clear();
      await expect(stage.add('my-instance', more), 201);
      await assertUp(stage);
      assert.deepEqual([(await appOf(stage)).pool, (await volumeOf(stage)).Pool], ['far', 'far']);
      assert.equal(stage.tsuru.requests.count('DELETE', /./), 0);
    }
  });

  it('is never touched when it is another team’s', async () => {
    await using stage = await startStage({ tsuru: POOLS });
    await leaveParts(stage, { method: 'POST', path: '/tokens' }, ['app', 'volume']);
    const before = [await appOf(stage), await volumeOf(stage)];
    const { status } = await stage.ask('POST', '/resources', {
      body: 'name=my-instance&team=ops&parameters.pool=far',
      headers: FORM,
    });
    assert.equal(status, 400);
    assert.deepEqual([await appOf(stage), await volumeOf(stage)], before);
  });
});

describe('an instance whose app was given other tags by its team', () => {
  for (const [what, tags] of [
    ['others', ['cost=1']],
    // Of the two that it was born with.
    ['others beside the second of its own', ['cost=1', `prometheus-instance=${APP}`]],
    ['none', ['']],
  ] as const) {
    it(`has status and info, binds, updates, and is removed whole (${what})`, async () => {
      await using stage = await startUp();
      await stage.createApp('my-app');
      await expect(
        stage.admin.call('PUT', `/1.0/apps/${APP}`, { json: { tags, description: 'ours', noRestart: true } }),
        200,
      );
      const given = inOrder(tags.filter((tag) => tag !== ''));
      assert.deepEqual((await appOf(stage)).tags, given);

      assert.equal((await stage.ask('GET', '/resources/my-instance/status')).status, 204);
      await expect(stage.bind('my-app'), 200);
      assert.deepEqual(await grantsOf(stage), ['prometheus-reader my-app', `prometheus-reader ${APP}`]);
      const info = await stage.info();
      assert.deepEqual(Object.keys(info).sort(), ['Address', 'App', 'In force', 'Units up', 'User and Password']);
      assert.deepEqual([info['App'], info['Units up'], info['In force']], [APP, 'my-app', 'small (c0.5m1)']);
      await expect(stage.unbind('my-app'), 200);
      assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);

      await expect(stage.update('my-instance', { plan: 'medium', 'parameters.scrape_interval': '30s' }), 200);
      assert.equal((await stage.info())['In force'], 'medium (c1m4)');
      await assertUp(stage);
      // They are the team's business.
      assert.deepEqual((await appOf(stage)).tags, given);

      await expect(stage.remove(), 200);
      assert.deepEqual(await partsOf(stage), []);
    });
  }

  it('is gone on with by a creation that comes again', async () => {
    await using stage = await startStage();
    await leaveParts(stage, { method: 'POST', path: `/apps/${APP}/env` }, ALL);
    await expect(stage.admin.call('PUT', `/1.0/apps/${APP}`, { json: { tags: ['cost=1'], noRestart: true } }), 200);
    await expect(stage.add(), 201);
    await assertUp(stage);
  });

  it('is another one’s where they say so, and not touched', async () => {
    await using stage = await startUp();
    const tags = ['prometheus-instance=prometheus/other'];
    await expect(
      stage.admin.call('PUT', `/1.0/apps/${APP}`, { json: { tags, description: 'ours', noRestart: true } }),
      200,
    );
    assert.equal((await stage.ask('PUT', '/resources/my-instance', { body: 'team=shop', headers: FORM })).status, 410);
  });
});
