import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BINDS_ANNOTATION } from '../../../agent/shared/binds.ts';
import { expect } from '../../support/instance.ts';
import { until } from '../../support/until.ts';
import { content } from '../../tsuru/brokered.ts';
import { createApp } from '../../tsuru/client.ts';
import { serviceOf, startScriptedBroker, type ScriptedBroker } from '../../tsuru/scripted-broker.ts';
import { APP, grantsOf, partsOf, startStage, type Stage } from '../stage.ts';
import { annotationOf, envOf, HASTY, startUp, unitsOf, untilRounds } from './hasty.ts';

const OWN = `prometheus-reader ${APP}`;
const MY_APP = 'prometheus-reader my-app';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

async function grantByHand({ admin }: Stage, app: string): Promise<void> {
  const form = { token_id: APP, context: app };
  await expect(admin.call('POST', '/1.6/roles/prometheus-reader/token', { form }), 200);
}

async function scriptedBroker(): Promise<ScriptedBroker & AsyncDisposable> {
  const broker = await startScriptedBroker(content);
  return { ...broker, [Symbol.asyncDispose]: () => broker.close() };
}

describe('the reconciler', { concurrency: 2 }, () => {
  it('revokes the grant of an app that was removed while the broker refused the unbind, and that another team created again', async () => {
    await using stage = await startUp();
    assert.equal(await annotationOf(stage, BINDS_ANNOTATION), '{"my-app":"shop"}');
    stage.tsuru.faults.add({ kind: 'status', status: 500, body: 'no', to: 'broker', method: 'DELETE' });
    await stage.admin.call('DELETE', '/1.0/apps/my-app');
    await expect(
      stage.admin.call('POST', '/1.0/apps', { form: { name: 'my-app', teamOwner: 'ops', pool: 'dev' } }),
      201,
    );
    await until('the grant to be revoked', async () => !(await grantsOf(stage)).includes(MY_APP));
    assert.deepEqual(await grantsOf(stage), [OWN]);
    await until('the bind to be unconfirmed', async () => (await annotationOf(stage, BINDS_ANNOTATION)) === undefined);
    await expect(stage.bind('my-app'), 200);
    assert.equal(await annotationOf(stage, BINDS_ANNOTATION), '{"my-app":"ops"}');
  });

  it('confirms the new team of an app that was given to another team', async () => {
    await using stage = await startUp();
    await expect(stage.admin.call('PUT', '/1.0/apps/my-app', { form: { teamOwner: 'ops' } }), 200);
    await until('the new team', async () => (await annotationOf(stage, BINDS_ANNOTATION)) === '{"my-app":"ops"}');
    assert.deepEqual(await grantsOf(stage), [MY_APP, OWN]);
  });

  for (const app of ['my-app', APP]) {
    it(`grants ${app} again after somebody took the grant away`, async () => {
      await using stage = await startUp();
      const path = `/1.6/roles/prometheus-reader/token/${APP}?context=${app}`;
      await expect(stage.admin.call('DELETE', path), 200);
      await until('the grant', async () => (await grantsOf(stage)).includes(`prometheus-reader ${app}`));
    });
  }

  it('makes a deleted token again with its grants, and restarts nothing', async () => {
    await using stage = await startUp();
    const [units, before] = [await unitsOf(stage), (await envOf(stage)).get('TSURU_TOKEN')];
    await expect(stage.admin.call('DELETE', `/1.6/tokens/${APP}`), 200);
    await until('the grants', async () => (await grantsOf(stage)).length === 2);
    await until('the new token', async () => {
      const now = (await envOf(stage)).get('TSURU_TOKEN');
      return now !== undefined && now !== before;
    });
    assert.deepEqual((await grantsOf(stage)).sort(), [MY_APP, OWN].sort());
    assert.deepEqual(await unitsOf(stage), units);
  });

  for (const name of ['TSURU_TOKEN', 'GATEWAY_USERNAME', 'GATEWAY_PASSWORD']) {
    it(`sets ${name} again after a user unset it, and restarts nothing`, async () => {
      await using stage = await startUp();
      const [units, before] = [await unitsOf(stage), await envOf(stage)];
      await stage.admin.call('DELETE', `/1.0/apps/${APP}/env?env=${name}&noRestart=true`);
      await until('the variable', async () => (await envOf(stage)).has(name));
      // A password that was unset is nowhere any more.
      if (name !== 'GATEWAY_PASSWORD') assert.equal((await envOf(stage)).get(name), before.get(name));
      assert.deepEqual(await unitsOf(stage), units);
    });
  }

  it('removes what a broken-off creation left, and nothing that looks like it', async () => {
    await using stage = await startStage({ clock: HASTY });
    await expect(stage.add('other'), 201);
    // Tsuru knows nothing of a creation that the broker is asked for directly.
    await expect(stage.ask('POST', '/resources', { body: 'name=my-instance&team=shop', headers: FORM }), 201);
    await createApp(stage.admin, 'prometheus-mine', 'shop/app:1');
    const tagged = { tags: ['prometheus-instance=prometheus/mine', 'prometheus-instance=prometheus-mine'] };
    await expect(stage.admin.call('PUT', '/1.0/apps/prometheus-mine', { form: tagged }), 200);
    assert.deepEqual(await partsOf(stage), ['app', 'volume', 'token']);
    await until('the parts to be gone', async () => (await partsOf(stage)).length === 0, 60_000);
    await untilRounds(stage, 3);
    assert.equal((await stage.admin.call('GET', '/1.0/apps/prometheus-mine')).status, 200);
    assert.equal((await stage.admin.call('GET', '/1.0/apps/prometheus-other')).status, 200);
  });

  it('removes nothing without Tsuru’s answer that the instance is gone', async () => {
    await using stage = await startStage({ clock: HASTY });
    await expect(stage.add('other'), 201);
    await expect(stage.ask('POST', '/resources', { body: 'name=my-instance&team=shop', headers: FORM }), 201);
    const path = '/services/prometheus/instances/my-instance';
    stage.tsuru.faults.add({ kind: 'status', status: 404, body: 'nothing here\n', method: 'GET', path });
    await until('a refusal', () => stage.tsuru.requests.count('GET', `/1.0${path}`) > 3, 60_000);
    assert.deepEqual(await partsOf(stage), ['app', 'volume', 'token']);
  });

  it('changes nothing while Tsuru’s list lacks the service, and says why', async () => {
    await using stage = await startUp();
    await expect(stage.admin.call('DELETE', `/1.6/roles/prometheus-reader/token/${APP}?context=my-app`), 200);
    stage.tsuru.faults.add({ kind: 'status', status: 204, method: 'GET', path: '/services/instances' });
    await until('the warning', () => stage.lines.some((line) => line.includes('lacks the service prometheus')));
    const before = await grantsOf(stage);
    const asked = stage.tsuru.requests.count('GET', '/1.0/services/instances');
    await until('more rounds', () => stage.tsuru.requests.count('GET', '/1.0/services/instances') > asked + 3);
    assert.deepEqual(await grantsOf(stage), before);
  });

  it('revokes while other acts take their time', async () => {
    await using stage = await startUp();
    await stage.createApp('another');
    const hang = stage.tsuru.faults.add({ kind: 'latency', ms: 20_000, method: 'PUT', path: `/apps/${APP}` });
    await expect(stage.admin.call('PUT', '/1.0/apps/my-app', { form: { teamOwner: 'ops' } }), 200);
    const slow = await until('the team to be confirmed', () =>
      stage.tsuru.requests.all().find(({ method, path, status }) => {
        return method === 'PUT' && path === `/1.0/apps/${APP}` && status === undefined;
      }),
    );
    await grantByHand(stage, 'another');
    await until('the grant to be revoked', async () => !(await grantsOf(stage)).includes('prometheus-reader another'));
    assert.equal(slow.status, undefined, 'the other act has ended before');
    hang();
  });

  for (const [what, path] of [
    ['the volumes', '/volumes'],
    ['the variables of an instance', `/apps/${APP}/env`],
  ] as const) {
    it(`revokes also while ${what} cannot be read, and says that`, async () => {
      await using stage = await startUp();
      await stage.createApp('another');
      stage.tsuru.faults.add({ kind: 'status', status: 500, body: 'mongo is away', method: 'GET', path });
      await grantByHand(stage, 'another');
      await until(
        'the grant to be revoked',
        async () => !(await grantsOf(stage)).includes('prometheus-reader another'),
      );
      await until('the log', () => stage.lines.some((line) => line.includes('could not be read: ')));
      assert.deepEqual((await grantsOf(stage)).sort(), [MY_APP, OWN].sort());
    });
  }

  it('grants at once what was bound while it was being revoked', async () => {
    await using stage = await startUp();
    await stage.createApp('another');
    // The app is bound through another broker, which grants it.
    await using broker = await scriptedBroker();
    stage.tsuru.addService(serviceOf(broker));
    const path = `/roles/prometheus-reader/token/${APP}`;
    stage.tsuru.faults.add({ kind: 'latency', ms: 1_500, method: 'DELETE', path, times: 1 });
    await grantByHand(stage, 'another');
    await until('the revocation', () => stage.tsuru.requests.count('DELETE', `/1.6${path}`) === 1);
    await expect(stage.bind('another'), 200);
    await until('the end', () => stage.lines.some((line) => line.includes(`revoked another from ${APP}`)));
    assert.ok((await grantsOf(stage)).includes('prometheus-reader another'));
  });

  it('removes nothing that a creation through another broker has adopted meanwhile', async () => {
    await using stage = await startStage({ clock: HASTY });
    await expect(stage.ask('POST', '/resources', { body: 'name=my-instance&team=shop', headers: FORM }), 201);
    const path = '/services/prometheus/instances/my-instance';
    stage.tsuru.faults.add({ kind: 'latency', ms: 1_500, method: 'GET', path, times: 1 });
    await until('the question', () => stage.tsuru.requests.count('GET', `/1.0${path}`) === 1, 60_000);
    const annotations = [{ name: 'prometheus-service/made-by', value: 'another-creation' }];
    await expect(
      stage.admin.call('PUT', `/1.0/apps/${APP}`, { json: { metadata: { annotations }, noRestart: true } }),
      200,
    );
    const question = stage.tsuru.requests.all().find((seen) => seen.path === `/1.0${path}`);
    await until('the answer', () => question?.status === 404);
    await untilRounds(stage, 3);
    assert.ok((await partsOf(stage)).includes('app'));
    assert.equal(stage.tsuru.requests.count('DELETE', `/1.0/apps/${APP}`), 0);
  });

  it('does no harm when two brokers do it at once', async () => {
    await using stage = await startUp();
    await stage.startBroker();
    await expect(stage.admin.call('DELETE', `/1.6/tokens/${APP}`), 200);
    await stage.admin.call('DELETE', `/1.0/apps/${APP}/env?env=GATEWAY_PASSWORD&noRestart=true`);
    await until('the grants', async () => (await grantsOf(stage)).length === 2);
    await until('both variables', async () => {
      const env = await envOf(stage);
      const token = JSON.parse((await stage.admin.call('GET', `/1.7/tokens/${APP}`)).body) as { token: string };
      return env.has('GATEWAY_PASSWORD') && env.get('TSURU_TOKEN') === token.token;
    });
    const password = (await envOf(stage)).get('GATEWAY_PASSWORD');
    await untilRounds(stage, 4);
    assert.equal((await envOf(stage)).get('GATEWAY_PASSWORD'), password);
    assert.deepEqual((await grantsOf(stage)).sort(), [MY_APP, OWN].sort());
  });
});
