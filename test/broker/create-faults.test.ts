import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import type { Fault } from '../tsuru/faults.ts';
import { createClient } from '../tsuru/client.ts';
import { APP, AUTH, grantsOf, partsOf, startStage, type Stage, inAnyOrder } from './stage.ts';

const ALL = ['app', 'volume', 'token'];
/** The changes that a creation asks of Tsuru, in order, and what is there before each. */
const STEPS = [
  { what: 'the app', method: 'POST', path: '/apps', made: [] },
  { what: 'the volume', method: 'POST', path: '/volumes', made: ['app'] },
  { what: "the volume's bind", method: 'POST', path: `/volumes/${APP}/bind`, made: ['app', 'volume'] },
  { what: 'the token', method: 'POST', path: '/tokens', made: ['app', 'volume'] },
  { what: 'the role', method: 'POST', path: '/roles/prometheus-reader/token', made: ALL },
  { what: 'the environment', method: 'POST', path: `/apps/${APP}/env`, made: ALL },
  { what: 'the deploy', method: 'POST', path: `/apps/${APP}/deploy`, made: ALL },
] as const;

async function addAndSeeUp(stage: Stage): Promise<void> {
  await expect(stage.add(), 201);
  await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
}

describe('when Tsuru fails during a creation,', () => {
  for (const { what, method, path } of STEPS) {
    it(`at ${what}, nothing is left over, the user reads why, and a retry succeeds`, async () => {
      await using stage = await startStage();
      stage.tsuru.faults.add({
        kind: 'status',
        status: 500,
        body: 'mongo: internal 10.0.0.7\n',
        method,
        path,
        times: 1,
      });
      const { status, body } = await stage.add();
      assert.equal(status, 500);
      assert.match(body, /Tsuru failed to make the instance: try again.*\(request [\w-]+\) \(code: 500\)/);
      assert.doesNotMatch(body, /mongo/);
      assert.deepEqual(await partsOf(stage), []);
      await addAndSeeUp(stage);
    });

    it(`and the connection breaks at ${what}, the retry finishes at the latest`, async () => {
      await using stage = await startStage();
      stage.tsuru.faults.add({ kind: 'cut', method, path, times: 1 });
      await stage.add();
      stage.tsuru.faults.clear();
      if ((await stage.admin.call('GET', '/1.0/services/instances')).body.includes('my-instance')) {
        await until('the instance to be up', async () => (await stage.status()).endsWith('is up'), 30_000);
      } else await addAndSeeUp(stage);
      assert.deepEqual(await partsOf(stage), ALL);
    });
  }

  it('after it made the app in an answer that broke off, nothing of it is left either', async () => {
    await using stage = await startStage();
    const { faults } = stage.tsuru;
    faults.add({ kind: 'cut', method: 'POST', path: '/apps', times: 1 });
    faults.add({ kind: 'status', status: 500, method: 'POST', path: '/tokens', times: 1 });
    const { body } = await stage.add();
    assert.doesNotMatch(body, /Left for the next try/);
    assert.deepEqual(await partsOf(stage), []);
  });

  it('the parts that cannot be removed again are named, and the retry uses them', async () => {
    await using stage = await startStage();
    const { faults } = stage.tsuru;
    faults.add({ kind: 'status', status: 500, method: 'POST', path: '/tokens', times: 1 });
    faults.add({ kind: 'status', status: 500, method: 'DELETE', path: `/apps/${APP}`, times: 1 });
    const { body } = await stage.add();
    assert.match(body, new RegExp(`Left for the next try, which uses it: the app ${APP}`));
    assert.deepEqual(await partsOf(stage), ['app']);
    await addAndSeeUp(stage);
  });
});

/** Makes parts as an earlier try of the same broker would have left them: by a creation that cannot be undone. */
async function leaveParts(stage: Stage, failing: Pick<Fault, 'method' | 'path'>): Promise<void> {
  const { faults } = stage.tsuru;
  faults.add({ kind: 'status', status: 500, ...failing });
  faults.add({ kind: 'status', status: 500, method: 'DELETE' });
  assert.equal((await stage.add()).status, 500);
  faults.clear();
}

describe('a leftover of an earlier try', () => {
  for (const { what, method, path, made } of STEPS) {
    it(`up to ${what} is adopted by the same team and brought to the new request`, async () => {
      await using stage = await startStage();
      await leaveParts(stage, { method, path });
      assert.deepEqual(await partsOf(stage), made);
      await expect(stage.add('my-instance', { plan: 'medium', 'parameters.scrape_interval': '30s' }), 201);
      await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
      assert.deepEqual(await partsOf(stage), ALL);
      assert.equal((await stage.info())['In force'], 'medium (c1m4)');
      const volume = (await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body;
      assert.match(volume, /"sizeLimit":"2000Mi"/);
      const app = (await stage.admin.call('GET', `/1.0/apps/${APP}`)).body;
      assert.match(app, /scrape_interval\\":\\"30s/);
    });
  }

  it('and runs already is restarted for another plan, with the volume of that plan', async () => {
    await using stage = await startStage();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const create = (plan: string) =>
      stage.ask('POST', '/resources', { body: `name=my-instance&team=shop&plan=${plan}`, headers });
    await expect(create('small'), 201);
    await until('the instance to be up', async () => {
      return (await stage.ask('GET', '/resources/my-instance/status')).status === 204;
    });
    stage.tsuru.requests.clear();
    await expect(create('medium'), 201);
    const changes = stage.tsuru.requests.all().map(({ method, path }) => `${method} ${path}`);
    const [volume, app] = [`POST /1.4/volumes/${APP}`, `PUT /1.0/apps/${APP}`].map((one) => changes.lastIndexOf(one));
    assert.ok(volume !== undefined && app !== undefined && volume >= 0 && volume < app, changes.join('\n'));
  });

  it('stays when the next try fails as well, which says so', async () => {
    await using stage = await startStage();
    await leaveParts(stage, { method: 'POST', path: `/apps/${APP}/env` });
    stage.tsuru.faults.add({ kind: 'status', status: 500, method: 'POST', path: `/apps/${APP}/env`, times: 1 });
    const { body } = await stage.add();
    assert.match(body, new RegExp(`Left for the next try.*the app ${APP}, the volume ${APP}, the token ${APP}\\.`));
    assert.deepEqual(await partsOf(stage), ALL);
    await addAndSeeUp(stage);
  });

  it('is named when the next try fails before it has used it', async () => {
    await using stage = await startStage();
    await leaveParts(stage, { method: 'POST', path: '/tokens' });
    stage.tsuru.faults.add({ kind: 'status', status: 500, method: 'PUT', path: `/apps/${APP}`, times: 1 });
    const { body } = await stage.add();
    assert.match(body, new RegExp(`Left for the next try, which uses it: the app ${APP}\\.`));
    await addAndSeeUp(stage);
  });

  it('may be a token that Tsuru does not show: it is regenerated, and the agent gets it', async () => {
    await using stage = await startStage();
    await leaveParts(stage, { method: 'POST', path: '/roles/prometheus-reader/token' });
    // Tsuru shows a token only to who may do all that it may.
    const form = { token_id: APP, context: '' };
    await expect(stage.admin.call('POST', '/1.6/roles/AllowAll/token', { form }), 200);
    await addAndSeeUp(stage);
    assert.equal(stage.tsuru.requests.count('PUT', `/1.6/tokens/${APP}`), 1);
    const { body } = await stage.admin.call('GET', `/1.0/apps/${APP}/env?env=TSURU_TOKEN`);
    const [variable] = JSON.parse(body) as { value: string; public: boolean }[];
    assert.equal(variable?.public, false);
    const agent = createClient(stage.tsuru.url, variable.value);
    await expect(agent.call('GET', `/1.0/apps/${APP}`), 200);
  });

  it('may be a token that reads apps of an earlier life of the name: the new one reads only its own', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    await stage.createApp('gone');
    await leaveParts(stage, { method: 'POST', path: `/apps/${APP}/env` });
    for (const context of ['my-app', 'gone']) {
      const form = { token_id: APP, context };
      await expect(stage.admin.call('POST', '/1.6/roles/prometheus-reader/token', { form }), 200);
    }
    // Of an app that is gone no grant can be taken back; whoever makes one of that name would be read.
    await expect(stage.admin.call('DELETE', '/1.0/apps/gone'), 200);
    await addAndSeeUp(stage);
    assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
  });

  it('is distinguished from an instance that Tsuru knows: its binds stay when the creation is repeated', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    await addAndSeeUp(stage);
    await expect(stage.bind('my-app'), 200);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    await expect(stage.ask('POST', '/resources', { body: 'name=my-instance&team=shop', headers }), 201);
    assert.deepEqual(await grantsOf(stage), ['prometheus-reader my-app', `prometheus-reader ${APP}`]);
  });

  it('is never touched when it is another team’s', async () => {
    await using stage = await startStage();
    await leaveParts(stage, { method: 'POST', path: '/volumes' });
    const app = inAnyOrder((await stage.admin.call('GET', `/1.0/apps/${APP}`)).body);
    const { status, body } = await stage.add('my-instance', { owner: 'ops' });
    assert.equal(status, 500);
    assert.match(body, /which belongs to somebody else: choose another name for the instance/);
    assert.equal(inAnyOrder((await stage.admin.call('GET', `/1.0/apps/${APP}`)).body), app);
  });

  for (const [what, path, form] of [
    ['app', '/1.0/apps', { name: APP, teamOwner: 'shop', pool: 'dev' }],
    ['volume', '/1.4/volumes', { Name: APP, Pool: 'dev', TeamOwner: 'shop', 'Plan.Name': 'tmpfs' }],
    ['token', '/1.6/tokens', { token_id: APP, team: 'shop', expires_in: '0' }],
  ] as const) {
    it(`is never touched when it is not of this service: the ${what}`, async () => {
      await using stage = await startStage();
      await expect(stage.admin.call('POST', path, { form }), 201);
      assert.match((await stage.add()).body, /which belongs to somebody else: choose another name for the instance/);
      assert.deepEqual(await partsOf(stage), [what]);
    });
  }
});

describe('the role of instances', () => {
  it('is made by a broker with the permission', async () => {
    await using stage = await startStage({ hasReader: false });
    assert.match(
      (await stage.add()).body,
      /The role prometheus-reader is not there, and the service may not create it/,
    );
    const mighty = await stage.startBroker({ TSURU_TOKEN: stage.tsuru.adminToken });
    stage.tsuru.addService({ name: 'prometheus', endpoint: mighty.url, ...AUTH });
    await addAndSeeUp(stage);
    assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
  });
});
