// What an update puts right at once, and the reconciler within a minute.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fingerprintOf } from '../../agent/shared/fingerprint.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { APP, grantsOf, startStage, type AgentScript, type Stage } from './stage.ts';

const OWN = `prometheus-reader ${APP}`;
const MY_APP = 'prometheus-reader my-app';
const WELL = { ready: true, problems: [], sync: { inSync: true }, prometheus: { ready: true }, apps: [] };

/** An instance with an app bound to it, and nobody who puts anything right by himself. */
async function startUp(agent?: AgentScript): Promise<Stage> {
  const stage = await startStage({ reconciles: false, ...(agent === undefined ? {} : { agent }) });
  await stage.createApp('my-app');
  await expect(stage.add(), 201);
  await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
  await expect(stage.bind('my-app'), 200);
  return stage;
}

async function updated(stage: Stage): Promise<string> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const { body } = await expect(stage.ask('PUT', '/resources/my-instance', { body: 'team=shop', headers }), 200);
  return body;
}

async function valueOf({ admin }: Stage, variable: string): Promise<string | undefined> {
  const { body } = await admin.call('GET', `/1.0/apps/${APP}/env?env=${variable}`);
  return (JSON.parse(body) as { value: string }[] | null)?.[0]?.value;
}

async function tokenOf({ admin }: Stage): Promise<string> {
  return (JSON.parse((await admin.call('GET', `/1.7/tokens/${APP}`)).body) as { token: string }).token;
}

describe('an update', { concurrency: 2 }, () => {
  it('does nothing where nothing is missing', async () => {
    await using stage = await startUp();
    assert.equal(await updated(stage), 'nothing to do');
  });

  for (const app of ['my-app', APP]) {
    it(`grants ${app} again after somebody took the grant away`, async () => {
      await using stage = await startUp();
      await expect(stage.admin.call('DELETE', `/1.6/roles/prometheus-reader/token/${APP}?context=${app}`), 200);
      assert.equal(await updated(stage), `${app} can be read again, nothing restarts`);
      assert.deepEqual((await grantsOf(stage)).sort(), [MY_APP, OWN].sort());
    });
  }

  it('makes a deleted token again, with its grants, and gives it to the app', async () => {
    await using stage = await startUp();
    await expect(stage.admin.call('DELETE', `/1.6/tokens/${APP}`), 200);
    assert.equal(await updated(stage), 'the token was made again, nothing restarts');
    assert.deepEqual((await grantsOf(stage)).sort(), [MY_APP, OWN].sort());
    assert.equal(await valueOf(stage, 'TSURU_TOKEN'), await tokenOf(stage));
  });

  it('leaves a foreign token of this name', async () => {
    await using stage = await startUp();
    await expect(stage.admin.call('DELETE', `/1.6/tokens/${APP}`), 200);
    await expect(stage.admin.call('POST', '/1.6/tokens', { form: { token_id: APP, team: 'ops' } }), 201);
    assert.equal(await updated(stage), 'nothing to do');
    assert.deepEqual(await grantsOf(stage), []);
  });

  for (const name of ['TSURU_TOKEN', 'GATEWAY_USERNAME', 'GATEWAY_PASSWORD']) {
    it(`sets ${name} again after a user unset it`, async () => {
      await using stage = await startUp();
      await stage.admin.call('DELETE', `/1.0/apps/${APP}/env?env=${name}&noRestart=true`);
      assert.equal(await valueOf(stage, name), undefined);
      assert.equal(await updated(stage), 'the variables of the app were set again, nothing restarts');
      assert.ok((await valueOf(stage, name)) !== undefined);
    });
  }

  it('hands its new token to a unit that has an old one, without a restart', async () => {
    let token = 'another-token';
    await using stage = await startUp(({ path, body }) => {
      if (path === '/tsuru/access') ({ token } = JSON.parse(body) as { token: string });
      return { status: 200, body: JSON.stringify({ ...WELL, token: fingerprintOf(token) }) };
    });
    const [unit] = stage.tsuru.units(APP);
    assert.equal(await updated(stage), 'the unit took its new token, nothing restarts');
    assert.equal(token, await tokenOf(stage));
    assert.equal(stage.tsuru.units(APP)[0]?.name, unit?.name);
    assert.equal(await stage.status(), 'Service instance "my-instance" is up');
  });

  it('restarts a unit that has an old token and takes none while it runs', async () => {
    let token = 'another-token';
    await using stage = await startUp(({ path }) => ({
      status: path === '/tsuru/access' ? 404 : 200,
      body: JSON.stringify({ ...WELL, token: fingerprintOf(token) }),
    }));
    const [unit] = stage.tsuru.units(APP);
    const suffix = unit?.name.slice(-5) ?? '';
    assert.equal(
      await stage.status(),
      'Service instance "my-instance" is degraded: its unit has an old token and follows no changes; ' +
        `run "tsuru service-instance-update prometheus my-instance -d restart-${suffix}" (its history is lost); it is up`,
    );
    await expect(stage.update('my-instance', { description: `restart-${suffix}` }), 200);
    assert.ok(
      stage.lines.some((line) => line.includes('the unit was restarted for its new token, its data start empty')),
    );
    assert.notEqual(stage.tsuru.units(APP)[0]?.name, unit?.name);
    token = await tokenOf(stage);
    assert.equal(await updated(stage), 'nothing to do');
    assert.equal(await stage.status(), 'Service instance "my-instance" is up');
  });

  it('restarts a unit that rejects the password of its app', async () => {
    let isOld = false;
    await using stage = await startUp(() =>
      isOld ? { status: 401, body: '' } : { status: 200, body: JSON.stringify(WELL) },
    );
    const [unit] = stage.tsuru.units(APP);
    isOld = true;
    assert.match(
      await stage.status(),
      /is in need of a restart: it rejects its own password; run "tsuru service-instance-update/,
    );
    assert.equal(await updated(stage), 'the unit was restarted for its new password, its data start empty');
    assert.notEqual(stage.tsuru.units(APP)[0]?.name, unit?.name);
  });
});
