import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { systemClock } from '../../agent/shared/clock.ts';
import { until } from '../support/until.ts';
import { APP, askBroker, grantsOf, startStage } from './stage.ts';

const LOCKED =
  'event locked: role(prometheus-reader) running "role.update.assign" start by user a at 2026-11-23T04:16:49Z\n';

const INSTANCES = ['one', 'two', 'three'];

function bindBody(
  app: string,
  more: Readonly<Record<string, string>> = {},
): { body: string; headers: Record<string, string> } {
  return {
    body: new URLSearchParams({ 'app-name': app, ...more }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  };
}

describe('a bind', () => {
  it('works while the instance is still being deployed', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    stage.tsuru.delays.startingMs = 60_000;
    await expect(stage.add(), 201);
    assert.match(await stage.status(), /is pending/);
    const { status, body } = await stage.ask('POST', '/resources/my-instance/bind-app', bindBody('my-app'));
    assert.deepEqual([status, body], [201, '{}']);
  });

  it('is answered the same when it comes again, also by its old path', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    await expect(stage.add(), 201);
    for (const path of ['bind-app', 'bind-app', 'bind']) {
      const { status, body } = await stage.ask('POST', `/resources/my-instance/${path}`, bindBody('my-app'));
      assert.deepEqual([status, body], [201, '{}']);
    }
    assert.deepEqual(await grantsOf(stage), ['prometheus-reader my-app', `prometheus-reader ${APP}`]);
    for (const path of ['bind-app', 'bind-app', 'bind']) {
      assert.equal((await stage.ask('DELETE', `/resources/my-instance/${path}`, bindBody('my-app'))).status, 200);
    }
    assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
  });

  it('waits for 10 s of somebody else’s lock', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    await expect(stage.add(), 201);
    const path = '/roles/prometheus-reader/token';
    const unlock = stage.tsuru.faults.add({ kind: 'status', status: 500, body: LOCKED, method: 'POST', path });
    const over = setTimeout(unlock, 10_000);
    await expect(stage.bind('my-app'), 200);
    clearTimeout(over);
    assert.deepEqual(await grantsOf(stage), ['prometheus-reader my-app', `prometheus-reader ${APP}`]);
    const metrics = (await stage.ask('GET', '/metrics')).body;
    assert.match(metrics, /^tsuru_broker_grant_retries_total [1-9]/m);
    assert.match(metrics, /^tsuru_broker_grants_waiting 0$/m);
  });

  it('is done 50 times at once through two brokers that lock each other out', async () => {
    await using stage = await startStage({ tsuru: { locks: { holdMs: 10 } } });
    const other = await stage.startBroker();
    const apps = Array.from({ length: 50 }, (_, i) => `app-${i}`);
    await Promise.all(apps.map((app) => stage.createApp(app)));
    await Promise.all(INSTANCES.map((name) => expect(stage.add(name), 201)));
    const answers = await Promise.all(
      apps.map((app, i) => {
        const instance = INSTANCES[i % INSTANCES.length] ?? '';
        const url = i % 2 === 0 ? stage.broker.url : other.url;
        return askBroker(url, 'POST', `/resources/${instance}/bind-app`, bindBody(app));
      }),
    );
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
    for (const [index, name] of INSTANCES.entries()) {
      const own = `prometheus-${name}`;
      const wanted = [own, ...apps.filter((_, i) => i % INSTANCES.length === index)];
      const granted = await grantsOf(stage, own);
      assert.deepEqual(granted.sort(), wanted.map((app) => `prometheus-reader ${app}`).sort());
    }
    const retries = await Promise.all(
      [stage.broker.url, other.url].map(async (url) => {
        const { body } = await askBroker(url, 'GET', '/metrics');
        return Number(/^tsuru_broker_grant_retries_total (\d+)$/m.exec(body)?.[1]);
      }),
    );
    assert.ok(
      retries.some((count) => count > 0),
      'neither broker has met the lock of the other',
    );
  });

  it('gives variables when the instance or the bind asks for them', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    await expect(stage.add('my-instance', { 'parameters.bind_env': 'true' }), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    await expect(stage.bind('my-app'), 200);
    const { body } = await stage.admin.call('GET', '/1.0/apps/my-app/env');
    const info = await stage.info();
    const env = new Map(
      (JSON.parse(body) as { name: string; value: string }[]).map(({ name, value }) => [name, value]),
    );
    assert.equal(env.get('PROMETHEUS_URL'), info['Address']);
    assert.equal(`${env.get('PROMETHEUS_USERNAME')} / ${env.get('PROMETHEUS_PASSWORD')}`, info['User and Password']);
    const without = await stage.ask(
      'POST',
      '/resources/my-instance/bind-app',
      bindBody('my-app', { 'parameters.bind_env': 'false' }),
    );
    assert.equal(without.body, '{}');
  });

  it('waits for the address that its variables need, while the instance is being deployed', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    stage.tsuru.delays.startingMs = 3_000;
    await expect(stage.add('my-instance', { 'parameters.bind_env': 'true' }), 201);
    assert.equal((await stage.ask('GET', '/resources/my-instance/status')).status, 202);
    const { status, body } = await stage.ask('POST', '/resources/my-instance/bind-app', bindBody('my-app'));
    assert.equal(status, 201);
    assert.match(body, /"PROMETHEUS_URL":"http/);
    assert.ok((await grantsOf(stage)).includes('prometheus-reader my-app'));
  });

  it('whose instance gets no address in time fails, and lets the instance read nothing', async () => {
    const speed = 60;
    const clock = {
      ...systemClock,
      nowMs: () => systemClock.nowMs() * speed,
      sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / speed, signal),
    };
    await using stage = await startStage({ clock });
    await stage.createApp('my-app');
    stage.tsuru.delays.createdMs = 60_000;
    stage.tsuru.delays.startingMs = 60_000;
    await expect(stage.add('my-instance', { 'parameters.bind_env': 'true' }), 201);
    const { status, body } = await stage.ask('POST', '/resources/my-instance/bind-app', bindBody('my-app'));
    assert.deepEqual([status, body], [400, 'The instance has no address yet: bind again when it is deployed.']);
    assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
  });

  it('never touches a foreign token, whose apps are not listed', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    await stage.createApp('other-app');
    await expect(stage.add(), 201);
    await expect(stage.admin.call('DELETE', `/1.6/tokens/${APP}`), 200);
    const form = { token_id: APP, team: 'ops', expires_in: '0' };
    await expect(stage.admin.call('POST', '/1.6/tokens', { form }), 201);
    const grant = { form: { token_id: APP, context: 'other-app' } };
    await expect(stage.admin.call('POST', '/1.6/roles/prometheus-reader/token', grant), 200);
    const bound = await stage.ask('POST', '/resources/my-instance/bind-app', bindBody('my-app'));
    assert.equal(bound.status, 500);
    assert.match(
      bound.body,
      new RegExp(`The token ${APP} belongs to somebody else, so this instance has none: tell an administrator`),
    );
    assert.equal((await stage.ask('DELETE', '/resources/my-instance/bind-app', bindBody('other-app'))).status, 200);
    assert.deepEqual(await grantsOf(stage), ['prometheus-reader other-app']);
    assert.doesNotMatch((await stage.ask('GET', '/resources/my-instance')).body, /other-app/);
  });

  it('of an app that is gone ends as any other', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    await expect(stage.add(), 201);
    await expect(stage.ask('POST', '/resources/my-instance/bind-app', bindBody('my-app')), 201);
    await expect(stage.admin.call('DELETE', '/1.0/apps/my-app'), 200);
    await expect(stage.ask('DELETE', '/resources/my-instance/bind-app', bindBody('my-app')), 200);
  });

  it('of an app in another cluster is refused with the reason', async () => {
    const cluster = (name: string) => ({ name, addresses: [`https://${name}`] });
    const pool = { isPublic: true, provisioner: 'kubernetes' } as const;
    const pools = [
      { ...pool, name: 'dev', isDefault: true, cluster: cluster('east') },
      { ...pool, name: 'far', isDefault: false, cluster: cluster('west') },
    ];
    await using stage = await startStage({ tsuru: { pools } });
    await expect(stage.add(), 201);
    const more = { 'app-pool-name': 'far', 'app-cluster-name': 'west' };
    const { status, body } = await stage.ask('POST', '/resources/my-instance/bind-app', bindBody('far-app', more));
    assert.equal(status, 400);
    assert.match(body, /far-app runs in the pool far of the cluster west, but this instance in the cluster east/);
    assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
  });

  it('of the instance’s own app is refused', async () => {
    await using stage = await startStage();
    await expect(stage.add(), 201);
    const { status, body } = await stage.ask('POST', '/resources/my-instance/bind-app', bindBody(APP));
    assert.equal(status, 400);
    assert.match(body, /is this instance's own app, which it scrapes anyway: bind another app/);
  });

  it('needs Tsuru’s own spelling of the path: its proxy lets other spellings through', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    await expect(stage.add(), 201);
    for (const spelling of ['%62ind-app', 'bind-app?', 'bind-app?a=b', 'b%69nd', 'bind?x']) {
      for (const method of ['POST', 'DELETE']) {
        const answer = await stage.ask(method, `/resources/my-instance/${spelling}`, bindBody('my-app'));
        assert.deepEqual([answer.status, answer.body], [404, 'This page does not exist.'], `${method} ${spelling}`);
      }
    }
    for (const method of ['PUT', 'DELETE', 'GET']) {
      assert.equal((await stage.ask(method, '/resources/')).status, 404, method);
    }
    assert.equal((await stage.ask('DELETE', '/resources/my-instance?x')).status, 404);
    assert.equal((await stage.ask('GET', '/resources/plans?x')).status, 200);
    assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
  });

  it('of a job is refused, and its unbind is not', async () => {
    await using stage = await startStage();
    await expect(stage.add(), 201);
    const path = '/resources/my-instance/binds/jobs/my-job';
    const refused = await stage.ask('PUT', path, bindBody(''));
    assert.equal(refused.status, 400);
    assert.match(refused.body, /Jobs cannot be bound/);
    assert.equal((await stage.ask('DELETE', path)).status, 200);
  });

  it('of an instance that is not there is 410, as Tsuru hides the text of a 404; its end is 200', async () => {
    await using stage = await startStage();
    assert.equal((await stage.ask('POST', '/resources/nobody/bind-app', bindBody('my-app'))).status, 410);
    assert.equal((await stage.ask('DELETE', '/resources/nobody/bind-app', bindBody('my-app'))).status, 200);
  });

  it('that Tsuru lost is made again', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    await expect(stage.add(), 201);
    // An answer without the deed, as when two changes of a token overlap.
    stage.tsuru.faults.add({
      kind: 'body',
      body: '',
      method: 'POST',
      path: '/roles/prometheus-reader/token',
      times: 2,
    });
    await expect(stage.bind('my-app'), 200);
    assert.ok((await grantsOf(stage)).includes('prometheus-reader my-app'));
  });
});
