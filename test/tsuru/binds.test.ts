import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addInstance, askedOf, bindPath, content, withBroker } from './brokered.ts';
import { createApp, type Client } from './client.ts';
import type { Script } from './scripted-broker.ts';

/** A broker that gives variables to whoever is bound. */
const generous: Script = (asked, i) =>
  asked.method === 'POST' && asked.path.endsWith('/bind-app')
    ? { status: 201, body: '{"B_URL": "http://x", "A_TOKEN": "t"}' }
    : content(asked, i);

it('the local Tsuru restarts an app for the variables that it gets, and for those that it loses', async () => {
  await withBroker({ script: generous }, async ({ tsuru, admin }) => {
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    const unit = () => tsuru.units('my-app')[0]?.name;
    const first = unit();
    assert.deepEqual(messages(await admin.call('PUT', bindPath('my-app'))), [
      '---- Setting 2 new environment variables ----\n',
      'restarting my-app\n',
      '\nInstance "my-instance" is now bound to the app "my-app".\n',
      'The following environment variables are available for use in your app:\n\n',
      ...['- A_TOKEN\n', '- B_URL\n', '- TSURU_SERVICES\n'],
    ]);
    const second = unit();
    assert.notEqual(second, first);
    assert.deepEqual(await variables(admin), {
      A_TOKEN: 't (prometheus/my-instance)',
      B_URL: 'http://x (prometheus/my-instance)',
      TSURU_SERVICES:
        '{"prometheus":[{"instance_name":"my-instance","envs":{"A_TOKEN":"t","B_URL":"http://x"}}]} (tsuru)',
    });
    assert.deepEqual(messages(await admin.call('DELETE', bindPath('my-app'))), [
      '---- Unsetting 2 environment variables ----\n',
      'restarting my-app\n',
      '\nInstance "my-instance" is not bound to the app "my-app" anymore.\n',
    ]);
    assert.notEqual(unit(), second);
    assert.deepEqual(await variables(admin), { TSURU_SERVICES: '{} (tsuru)' });
  });
});

it('the local Tsuru restarts no app that gets nothing, and none that is not to be restarted', async () => {
  await withBroker({}, async ({ tsuru, admin }) => {
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    const [before] = tsuru.units('my-app');
    await admin.call('PUT', bindPath('my-app'));
    await admin.call('DELETE', bindPath('my-app'));
    assert.equal(tsuru.units('my-app')[0]?.name, before?.name);
  });
  await withBroker({ script: generous }, async ({ tsuru, admin }) => {
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    const [before] = tsuru.units('my-app');
    await admin.call('PUT', bindPath('my-app'), { form: { noRestart: 'true' } });
    assert.equal((await variables(admin))['A_TOKEN'], 't (prometheus/my-instance)');
    await admin.call('DELETE', `${bindPath('my-app')}?noRestart=true&force=false`);
    assert.equal(tsuru.units('my-app')[0]?.name, before?.name);
  });
});

it('the local Tsuru takes a bind back, also at the broker, when the restart fails', async () => {
  await withBroker({ script: generous }, async ({ tsuru: { delays }, admin, broker }) => {
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    Object.assign(delays, { startingMs: 60_000, deployTimeoutMs: 100 });
    const reply = await admin.call('PUT', bindPath('my-app'));
    assert.match(reply.body, /"Error":"timeout waiting full rollout .*\(\\"my-instance\\" is up\)"/);
    assert.deepEqual(askedOf(broker).slice(1), [
      'POST /resources/my-instance/bind-app',
      'DELETE /resources/my-instance/bind-app',
      'GET /resources/my-instance/status',
    ]);
    assert.deepEqual(await variables(admin), { TSURU_SERVICES: '{} (tsuru)' });
    assert.match((await admin.call('GET', '/1.0/services/instances')).body, /"apps":\[\]/);
  });
});

it('the local Tsuru hands the parameters of a bind on', async () => {
  await withBroker({}, async ({ admin, broker }) => {
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    await admin.call('PUT', bindPath('my-app'), { form: { 'parameters.port': '9100' } });
    assert.match(broker.asked.at(-1)?.body ?? '', /&parameters\.port=9100&user=/);
  });
});

it('the local Tsuru binds an app once', async () => {
  await withBroker({}, async ({ admin, broker }) => {
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    await admin.call('PUT', bindPath('my-app'));
    const again = await admin.call('PUT', bindPath('my-app'));
    assert.equal(again.body, 'app is already bound to this service instance ("my-instance" is up)\n');
    assert.equal(askedOf(broker).filter((one) => one.endsWith('/bind-app')).length, 1);
    await admin.call('DELETE', bindPath('my-app'));
    const gone = await admin.call('DELETE', bindPath('my-app'));
    assert.deepEqual([gone.status, gone.body], [500, 'app is not bound to this service instance\n']);
  });
});

it('the local Tsuru unbinds from a broker that knows nothing of it; from one that fails only by force', async () => {
  let status = 404;
  const script: Script = (asked, i) => (asked.method === 'DELETE' ? { status, body: 'no' } : content(asked, i));
  await withBroker({ script }, async ({ admin }) => {
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    await admin.call('PUT', bindPath('my-app'));
    assert.match((await admin.call('DELETE', bindPath('my-app'))).body, /is not bound to the app/);

    await admin.call('PUT', bindPath('my-app'));
    status = 500;
    const failed = await admin.call('DELETE', bindPath('my-app'));
    const sentence = 'Failed to unbind ("/resources/my-instance/bind-app"): invalid response: no (code: 500)';
    assert.deepEqual([failed.status, failed.body], [500, `${sentence}\n`]);
    assert.match((await admin.call('GET', '/1.0/apps/my-app')).body, /"instance":"my-instance"/);
    assert.deepEqual(messages(await admin.call('DELETE', `${bindPath('my-app')}?force=true`)), [
      `[unbind-app-endpoint] ignored error due to force: ${sentence}\n`,
      '\nInstance "my-instance" is not bound to the app "my-app" anymore.\n',
    ]);
  });
});

it('the local Tsuru removes a bound app even when its broker fails', async () => {
  const script: Script = (asked, i) => (asked.method === 'DELETE' ? { status: 500, body: 'no' } : content(asked, i));
  await withBroker({ script }, async ({ admin }) => {
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    await admin.call('PUT', bindPath('my-app'));
    const removed = await admin.call('DELETE', '/1.0/apps/my-app');
    assert.match(removed.body, /Unable to unbind app: Failed to unbind .*Some errors occurred during removal\./s);
    assert.match((await admin.call('GET', '/1.0/services/instances')).body, /"apps":\[\]/);
  });
});

it('the local Tsuru binds and unbinds jobs', async () => {
  await withBroker({}, async ({ admin, broker }) => {
    await admin.call('POST', '/1.13/jobs', { json: { name: 'my-job', teamOwner: 'shop', pool: 'dev' } });
    await addInstance(admin);
    const path = '/1.13/services/prometheus/instances/my-instance/jobs/my-job';
    assert.deepEqual(messages(await admin.call('PUT', path)), [
      '\nInstance "my-instance" is now bound to the job "my-job".\n',
    ]);
    // Only apps keep an instance from being removed.
    assert.match((await admin.call('GET', '/1.0/services/instances')).body, /"apps":\[\],"jobs":\["my-job"\]/);
    await admin.call('DELETE', path);
    assert.match((await admin.call('GET', '/1.0/services/instances')).body, /"jobs":\[\]/);
    assert.deepEqual(askedOf(broker).slice(1), [
      'PUT /resources/my-instance/binds/jobs/my-job',
      'DELETE /resources/my-instance/binds/jobs/my-job',
    ]);
  });
});

it('the local Tsuru relays what a service offers beyond that, but nobody else binds', async () => {
  const script: Script = ({ method, path }) => ({ status: 202, body: `${method} ${path}` });
  await withBroker({ script }, async ({ tsuru, admin, broker }) => {
    await addInstance(admin);
    const path = '/1.20/services/prometheus/resources/my-instance';
    const read = await admin.call('GET', `${path}/rules/one?full=true`);
    assert.deepEqual([read.status, read.body], [202, 'GET /resources/my-instance/rules/one?full=true']);
    assert.equal(broker.asked.at(-1)?.headers['X-Tsuru-User'], undefined);
    const written = await admin.call('POST', `${path}/rules`, { json: { a: 1 } });
    assert.equal(written.body, 'POST /resources/my-instance/rules');
    const last = broker.asked.at(-1);
    assert.ok(last !== undefined);
    const { headers, body } = last;
    assert.deepEqual([body, headers['content-type']], ['{"a":1}', 'application/json']);
    assert.equal(headers['X-Tsuru-User'], 'admin@example.com');
    assert.ok(!JSON.stringify(headers).includes(tsuru.adminToken));
    for (const reserved of ['', '/', '/bind', '/bind-app', '/bind-job']) {
      const refused = await admin.call('POST', `${path}${reserved}`, { json: {} });
      assert.equal(refused.body, `proxy request POST "${reserved.replace('/', '')}" is forbidden\n`);
      assert.equal((await admin.call('GET', `${path}${reserved}`)).status, 202);
    }
    const old = await admin.call('GET', '/1.0/services/prometheus/proxy/my-instance?callback=/resources/my-instance/x');
    assert.equal(old.body, 'GET /resources/my-instance/x');
    const ofService = await admin.call('GET', '/1.0/services/proxy/service/prometheus?callback=/alive');
    assert.equal(ofService.body, 'GET /alive');
  });
});

function messages({ body }: { readonly body: string }): string[] {
  return body
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { Message: string }).Message);
}

/** The private variables of my-app, each with who manages it. */
async function variables(admin: Client): Promise<Record<string, string>> {
  const all = JSON.parse((await admin.call('GET', '/1.0/apps/my-app/env')).body) as {
    name: string;
    value: string;
    public: boolean;
    managedBy: string;
  }[];
  return Object.fromEntries(
    all.filter((one) => !one.public).map(({ name, value, managedBy }) => [name, `${value} (${managedBy})`]),
  );
}
