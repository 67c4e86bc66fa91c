import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/until.ts';
import { addInstance, askedOf, bindPath, content, withBroker, type Brokered } from './brokered.ts';
import { createApp, type Client } from './client.ts';
import type { Script } from './scripted-broker.ts';

const INSTANCES = '/1.0/services/prometheus/instances';

it('the local Tsuru remembers an instance only when the broker has made it', async () => {
  const gate = heldAt('POST', '/resources');
  await withBroker({ script: gate.script }, async ({ admin, broker }) => {
    const creating = addInstance(admin);
    await until('the broker is asked', () => broker.asked.length === 1);
    assert.deepEqual(await names(admin), []);
    gate.open();
    await creating;
    assert.deepEqual(await names(admin), ['my-instance']);
  });
});

it('the local Tsuru forgets an instance whose making took too long, and tells the broker nothing', async () => {
  const gate = heldAt('POST', '/resources');
  const tsuru = { brokerTimes: { wholeMs: 100 } };
  await withBroker({ tsuru, script: gate.script }, async ({ admin, broker }) => {
    const reply = await admin.call('POST', INSTANCES, { form: { name: 'my-instance', owner: 'shop' } });
    gate.open();
    assert.equal(reply.status, 500);
    assert.equal(
      reply.body,
      `Failed to create the instance my-instance: Post "${broker.url}/resources": context deadline exceeded (Client.Timeout exceeded while awaiting headers)\n`,
    );
    assert.deepEqual(await names(admin), []);
    assert.deepEqual(askedOf(broker), ['POST /resources']);
  });
});

it('the local Tsuru tells why a broker cannot be reached, and does not try again', async () => {
  await withBroker({ service: { endpoint: 'http://127.0.0.1:1' } }, async ({ admin }) => {
    const reply = await admin.call('POST', INSTANCES, { form: { name: 'my-instance', owner: 'shop' } });
    assert.deepEqual(
      [reply.status, reply.body],
      [
        500,
        'Failed to create the instance my-instance: Post "http://127.0.0.1:1/resources": dial tcp 127.0.0.1:1: connect: connection refused\n',
      ],
    );
  });
});

it('the local Tsuru gives up on a connection that no broker accepts', async () => {
  // TEST-NET-1 of RFC 5737: nobody is there.
  const service = { endpoint: 'http://192.0.2.1:80' };
  await withBroker({ tsuru: { brokerTimes: { dialMs: 50, wholeMs: 60_000 } }, service }, async ({ admin }) => {
    const reply = await admin.call('GET', '/1.0/services/prometheus/plans');
    assert.equal(reply.status, 500);
    // Where the machine has no route to it, the dial fails with that.
    assert.match(reply.body, /^Get "http:\/\/192\.0\.2\.1:80\/resources\/plans": /);
    assert.doesNotMatch(reply.body, /Client\.Timeout/);
  });
});

it('the local Tsuru lets nobody else change an instance that is being changed, but anybody read', async () => {
  const gate = heldAt('PUT', '/resources/my-instance');
  await withBroker({ tsuru: { locks: { appWaitMs: 50 } }, script: gate.script }, async (brokered) => {
    const { admin } = brokered;
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    const updating = update(admin, { plan: 'large' });
    await untilAsked(brokered, 'PUT /resources/my-instance');
    const locked =
      /^event locked: service-instance\(prometheus\/my-instance\) running "service-instance\.update" start by user /;
    for (const refused of [
      await update(admin, { plan: 'small' }),
      await admin.call('DELETE', `${INSTANCES}/my-instance`),
      // Binds wait a while first.
      await admin.call('PUT', bindPath('my-app')),
    ]) {
      assert.equal(refused.status, 500);
      assert.match(refused.body, locked);
    }
    assert.equal((await admin.call('GET', `${INSTANCES}/my-instance`)).status, 200);
    assert.equal((await admin.call('GET', `${INSTANCES}/my-instance/status`)).status, 200);
    gate.open();
    assert.equal((await updating).status, 200);
    assert.equal((await admin.call('PUT', bindPath('my-app'))).status, 200);
  });
});

it('the local Tsuru lets a bind wait for another change of the instance', async () => {
  const gate = heldAt('PUT', '/resources/my-instance');
  await withBroker({ script: gate.script }, async (brokered) => {
    const { admin, tsuru } = brokered;
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    const updating = update(admin, { plan: 'large' });
    await untilAsked(brokered, 'PUT /resources/my-instance');
    const binding = admin.call('PUT', bindPath('my-app'));
    await until('the second request', () => tsuru.requests.count('PUT', bindPath('my-app')) === 1);
    gate.open();
    assert.deepEqual([(await updating).status, (await binding).status], [200, 200]);
  });
});

it('the local Tsuru takes an update for the whole new state', async () => {
  await withBroker({}, async ({ admin, broker }) => {
    const form = {
      name: 'my-instance',
      owner: 'shop',
      description: 'old',
      tag: ['a', 'b'],
      'parameters.retention': '1d',
    };
    await admin.call('POST', INSTANCES, { form });
    await update(admin, { plan: 'large' });
    const last = new URLSearchParams(broker.asked.at(-1)?.body ?? '');
    last.delete('eventid');
    assert.deepEqual(Object.fromEntries(last), {
      ...{ description: '', plan: 'large', team: 'shop', user: 'admin@example.com', tags: 'b' },
    });
    const same = await update(admin, { plan: 'large' });
    assert.equal(same.status, 400);
    assert.match(same.body, /^Neither description, team owner, tags, plan nor plan parameters were set\./);
    const teamless = await admin.call('PUT', `${INSTANCES}/my-instance`, { form: { plan: 'small' } });
    assert.deepEqual(
      [teamless.status, teamless.body],
      [500, 'please specify the team that owns the service instance\n'],
    );
  });
});

it('the local Tsuru hands parameters of any type from JSON on', async () => {
  const parameters = { retention: '30d', replicas: 2, deep: { on: true }, 'a.b': 'c' };
  await withBroker({}, async ({ admin, broker }) => {
    await admin.call('POST', INSTANCES, { json: { name: 'one', team_owner: 'shop', parameters } });
    const form = new URLSearchParams(broker.asked[0]?.body ?? '');
    assert.deepEqual(
      [...form].filter(([name]) => name.startsWith('parameters')).map(([name, value]) => `${name}=${value}`),
      ['parameters.a\\.b=c', 'parameters.deep.on=true', 'parameters.replicas=2', 'parameters.retention=30d'],
    );
  });
  await withBroker({ service: { encoding: 'json' } }, async ({ admin, broker }) => {
    await admin.call('POST', INSTANCES, { json: { name: 'one', team_owner: 'shop', parameters } });
    const body = JSON.parse(broker.asked[0]?.body ?? '') as { parameters: unknown };
    assert.deepEqual(body.parameters, parameters);
  });
});

it('the local Tsuru refuses names that are invalid or taken', async () => {
  await withBroker({}, async ({ admin, broker }) => {
    for (const name of ['1st', 'a', 'my instance', '']) {
      const reply = await admin.call('POST', INSTANCES, { form: { name, owner: 'shop' } });
      assert.deepEqual([reply.status, reply.body], [400, 'invalid service instance name\n'], name);
    }
    await addInstance(admin);
    const taken = await admin.call('POST', INSTANCES, { form: { name: 'my-instance', owner: 'shop' } });
    assert.deepEqual([taken.status, taken.body], [409, 'instance name already exists.\n']);
    assert.deepEqual(askedOf(broker), ['POST /resources']);
  });
});

it('the local Tsuru removes an instance against the will of its broker, and with its binds, when told to', async () => {
  const script: Script = (asked, i) =>
    asked.method === 'DELETE' && asked.path === '/resources/my-instance'
      ? { status: 500, body: 'no' }
      : content(asked, i);
  await withBroker({ script }, async ({ admin, broker }) => {
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    await admin.call('PUT', bindPath('my-app'));
    const stayed = await admin.call('DELETE', `${INSTANCES}/my-instance?unbindall=true`);
    // After its first word a stream has status 200.
    assert.equal(stayed.status, 200);
    assert.match(
      stayed.body,
      /is not bound to the app .*anymore.*"Error":"Failed to destroy the instance my-instance/s,
    );
    assert.deepEqual(await names(admin), ['my-instance']);
    const gone = await admin.call('DELETE', `${INSTANCES}/my-instance?ignoreerrors=true`);
    assert.match(gone.body, /could not delete the service instance on service api: .*ignoring this error/);
    assert.match(gone.body, /service instance successfully removed/);
    assert.deepEqual(await names(admin), []);
    assert.ok(askedOf(broker).includes('DELETE /resources/my-instance/bind-app'));
  });
});

const ODD_INFO: readonly (readonly [body: string, sentence: string])[] = [
  ['', 'EOF'],
  ['<html>', "invalid character '<' looking for beginning of value"],
  ['[{"label": "a"', 'unexpected EOF'],
  ['{"label": "a"}', 'json: cannot unmarshal object into Go value of type []map[string]string'],
  ['[{"label": "a", "value": 3}]', 'json: cannot unmarshal number into Go value of type string'],
];

for (const [body, sentence] of ODD_INFO) {
  it(`cannot show an instance of which the broker says ${body === '' ? 'nothing' : body}`, async () => {
    await withBroker(
      { script: ({ method }) => ({ status: 200, body: method === 'GET' ? body : '' }) },
      async ({ admin }) => {
        await addInstance(admin);
        const reply = await admin.call('GET', `${INSTANCES}/my-instance`);
        assert.deepEqual([reply.status, reply.body], [500, `${sentence}\n`]);
      },
    );
  });
}

it('the local Tsuru hands the request id on to the broker when it is configured to', async () => {
  await withBroker({ tsuru: { requestIdHeader: 'X-Request-Id' } }, async ({ tsuru, admin, broker }) => {
    await addInstance(admin);
    const headers = { Authorization: `bearer ${tsuru.adminToken}`, 'X-Request-Id': 'mine' };
    await fetch(`${tsuru.url}${INSTANCES}/my-instance/status`, { headers });
    const ids = broker.asked.map((one) => one.headers['X-Request-Id'] ?? '');
    assert.match(ids[0] ?? '', /^[0-9a-f-]{36}$/);
    assert.equal(ids[1], 'mine');
  });
});

it('the local Tsuru meets faults on its way to the broker', async () => {
  await withBroker({}, async ({ tsuru, admin, broker }) => {
    await addInstance(admin);
    tsuru.faults.add({ to: 'broker', kind: 'status', status: 503, body: 'no route', path: '/resources/my-instance*' });
    const status = () => admin.call('GET', `${INSTANCES}/my-instance/status`);
    assert.match((await status()).body, /invalid response: no route \(code: 503\)/);
    assert.equal(broker.asked.length, 1);
    tsuru.faults.clear();
    tsuru.faults.add({ to: 'broker', kind: 'cut', times: 1 });
    assert.match((await status()).body, /: EOF\n$/);
    assert.equal(broker.asked.length, 2);
    tsuru.faults.add({ to: 'broker', kind: 'latency', ms: 200, times: 1 });
    const start = performance.now();
    assert.equal((await status()).body, 'Service instance "my-instance" is up');
    assert.ok(performance.now() - start > 190);
    const added = await admin.call('POST', '/local/faults', { json: { to: 'broker', kind: 'latency', ms: 1 } });
    assert.deepEqual(JSON.parse(added.body), [{ to: 'broker', kind: 'latency', ms: 1 }]);
    // What Tsuru itself is asked does not meet it.
    assert.equal((await admin.call('POST', '/local/faults', { json: { to: 'me', kind: 'cut' } })).status, 400);
  });
});

it('the local Tsuru loses a request to the broker, or sends it twice', async () => {
  await withBroker({}, async ({ tsuru, admin, broker }) => {
    await createApp(admin, 'my-app', 'x:1');
    await addInstance(admin);
    tsuru.faults.add({ to: 'broker', kind: 'drop', method: 'POST', times: 1 });
    const lost = await admin.call('PUT', bindPath('my-app'));
    assert.equal(lost.status, 500);
    assert.match(lost.body, /^Failed to bind app "my-app" .*: Post ".*\/bind-app": EOF \("my-instance" is up\)\n$/);
    assert.equal(boundApps(await admin.call('GET', '/1.0/services/instances')), '[]');
    tsuru.faults.add({ to: 'broker', kind: 'repeat', path: '/resources/my-instance/bind-app', times: 2 });
    assert.equal((await admin.call('PUT', bindPath('my-app'))).status, 200);
    assert.equal(boundApps(await admin.call('GET', '/1.0/services/instances')), '["my-app"]');
    assert.equal((await admin.call('DELETE', bindPath('my-app'))).status, 200);
    assert.deepEqual(askedOf(broker).slice(1), [
      'GET /resources/my-instance/status',
      ...Array<string>(2).fill('POST /resources/my-instance/bind-app'),
      ...Array<string>(2).fill('DELETE /resources/my-instance/bind-app'),
    ]);
  });
});

/** A broker that answers one kind of request only when it is let. */
function heldAt(method: string, path: string): { readonly script: Script; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return {
    script: async (asked, i) => {
      if (asked.method === method && asked.path === path) await opened;
      return content(asked, i);
    },
    open: () => {
      open();
    },
  };
}

function untilAsked({ broker }: Brokered, request: string): Promise<unknown> {
  return until(request, () => askedOf(broker).includes(request));
}

function update(admin: Client, form: Readonly<Record<string, string>>) {
  return admin.call('PUT', `${INSTANCES}/my-instance`, { form: { teamowner: 'shop', ...form } });
}

async function names(admin: Client): Promise<string[]> {
  const services = JSON.parse((await admin.call('GET', '/1.0/services/instances')).body) as { instances: string[] }[];
  return services.flatMap(({ instances }) => instances);
}

function boundApps({ body }: { readonly body: string }): string | undefined {
  return /"apps":(\[[^\]]*\])/.exec(body)?.[1];
}
