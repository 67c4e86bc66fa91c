import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createApp, type Client, type Form } from './client.ts';
import { withTsuru } from './worlds.ts';

it('the local Tsuru merges metadata by name, from JSON and from forms', async () => {
  await withTsuru({}, async (_tsuru, admin) => {
    await createApp(admin, 'my-app', 'x:1');
    await update(admin, { json: { metadata: { annotations: [{ name: 'a/b', value: '1' }] }, noRestart: true } });
    await update(admin, {
      form: {
        'metadata.annotations.0.name': 'prometheus.io/port',
        'metadata.annotations.0.value': '9100',
        'metadata.labels.0.name': 'tier',
        'metadata.labels.0.value': 'front',
        noRestart: 'true',
      },
    });
    await update(admin, { json: { metadata: { annotations: [{ name: 'a/b', delete: true }] }, noRestart: true } });
    assert.deepEqual((await read(admin)).metadata, {
      labels: [{ name: 'tier', value: 'front' }],
      annotations: [{ name: 'prometheus.io/port', value: '9100' }],
    });
  });
});

it('the local Tsuru keeps metadata of processes as tsuru metadata set -p sends it, and shows only processes that have some', async () => {
  await withTsuru({}, async (_tsuru, admin) => {
    await createApp(admin, 'my-app', 'worker:1');
    assert.equal('processes' in (await read(admin)), false);
    const annotations = [{ name: 'prometheus.io/port', value: '9100' }];
    await update(admin, {
      json: {
        metadata: {},
        planoverride: {},
        processes: [{ name: 'worker', metadata: { annotations } }],
        noRestart: true,
      },
    });
    const metadata = { labels: [], annotations };
    assert.deepEqual((await read(admin)).processes, [{ name: 'worker', metadata }]);

    const form = {
      'processes.0.name': 'web',
      'processes.0.plan': 'c1m1',
      'processes.1.name': 'worker',
      noRestart: 'true',
    };
    const gone = {
      'processes.1.metadata.annotations.0.name': 'prometheus.io/port',
      'processes.1.metadata.annotations.0.delete': 'true',
    };
    await update(admin, { form: { ...form, ...gone } });
    assert.deepEqual((await read(admin)).processes, [
      { name: 'web', plan: 'c1m1', metadata: { labels: [], annotations: [] } },
    ]);
  });
});

it('the local Tsuru restarts an app whose plan or metadata change, unless told not to', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'x:1');
    const unit = () => tsuru.units('my-app')[0]?.name;
    const changes: readonly (readonly [json: Record<string, unknown>, restarts: boolean])[] = [
      [{ description: 'other' }, false],
      [{ tags: ['a', 'b'] }, false],
      [{ plan: 'c1m1', noRestart: true }, false],
      [{ plan: 'c2m2' }, true],
      [{ metadata: { labels: [{ name: 'a', value: 'b' }] } }, true],
    ];
    for (const [json, restarts] of changes) {
      const before = unit();
      await update(admin, { json });
      assert.equal(unit() !== before, restarts, JSON.stringify(json));
    }
    const { description, tags, plan } = await read(admin);
    assert.deepEqual([description, [...(tags ?? [])].sort(), plan?.name], ['other', ['a', 'b'], 'c2m2']);
  });
});

it('the local Tsuru sets, masks in the log, prunes and unsets variables', async () => {
  await withTsuru({}, async (_tsuru, admin) => {
    await createApp(admin, 'my-app', 'x:1');
    const set = (json: Record<string, unknown>) => admin.call('POST', '/1.0/apps/my-app/env', { json });
    const Envs = [
      { Name: 'OPEN', Value: 'to see' },
      { Name: 'SECRET', Value: 'not to see', Private: true },
    ];
    await set({ Envs, NoRestart: true, ManagedBy: 'broker' });
    const { body: log } = await admin.call('GET', '/1.0/apps/my-app/log?lines=100');
    assert.match(log, /to see/);
    assert.doesNotMatch(log, /not to see/);
    await set({ Envs: [{ Name: 'OTHER', Value: '1' }], NoRestart: true, ManagedBy: 'broker', PruneUnused: true });
    assert.deepEqual(await variables(admin), ['OTHER']);
    await admin.call('DELETE', '/1.0/apps/my-app/env?env=OTHER&noRestart=true');
    assert.deepEqual(await variables(admin), []);

    for (const name of ['1A', 'TSURU_APPNAME']) {
      const refused = await set({ Envs: [{ Name: name, Value: 'x' }] });
      assert.equal(refused.status, 400);
      assert.match(refused.body, /^There were errors validating environment variables: /);
    }
  });
});

it('the local Tsuru filters the list of apps as the client asks', async () => {
  await withTsuru({}, async (_tsuru, admin) => {
    await createApp(admin, 'my-app', 'x:1');
    await admin.call('POST', '/1.0/apps', { form: { name: 'other', teamOwner: 'ops', tag: ['a', 'b'] } });
    const queries: readonly (readonly [query: string, names: readonly string[]])[] = [
      ['', ['my-app', 'other']],
      ['name=my', ['my-app']],
      ['teamOwner=ops', ['other']],
      ['tag=a&tag=b', ['other']],
      ['tag=a&tag=c', []],
      ['pool=nowhere', []],
    ];
    for (const [query, names] of queries) {
      const { status, body } = await admin.call('GET', `/1.0/apps?${query}`);
      const listed = status === 204 ? [] : (JSON.parse(body) as { name: string }[]).map(({ name }) => name);
      assert.deepEqual(listed.sort(), names, query);
    }
  });
});

it('the local Tsuru answers every API version, and paths without one', async () => {
  await withTsuru({}, async (_tsuru, admin) => {
    for (const prefix of ['', '/1.0', '/1.13', '/1.24']) {
      assert.equal((await admin.call('GET', `${prefix}/info`)).status, 200, prefix);
    }
    assert.equal((await admin.call('GET', '/1.0/nothing/there')).status, 404);
  });
});

interface AppJson {
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly plan?: { readonly name: string };
  readonly metadata?: unknown;
  readonly processes?: unknown;
}

async function update(admin: Client, body: Form | { readonly json: unknown }): Promise<void> {
  const reply = await admin.call('PUT', '/1.0/apps/my-app', body);
  assert.equal(reply.status, 200, reply.body);
}

async function read(admin: Client): Promise<AppJson> {
  return JSON.parse((await admin.call('GET', '/1.0/apps/my-app')).body) as AppJson;
}

/** The names of those that are not Tsuru's own. */
async function variables(admin: Client): Promise<string[]> {
  const { body } = await admin.call('GET', '/1.0/apps/my-app/env');
  const all = JSON.parse(body) as { name: string; managedBy?: string }[];
  return all.filter(({ managedBy }) => managedBy !== 'tsuru').map(({ name }) => name);
}
