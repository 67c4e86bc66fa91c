import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/until.ts';
import { createApp, type Client } from './client.ts';
import type { LocalTsuru } from './server.ts';
import { withTsuru } from './worlds.ts';

interface AppJson {
  readonly name: string;
  readonly units: readonly unknown[];
  readonly error?: string;
}

const UNKNOWN = 'unable to list app units: Get "https://cluster/api/v1/pods": dial tcp: i/o timeout';

it('the local Tsuru lists no units of one app, or of all', async () => {
  await withTwoApps(async (tsuru, admin) => {
    const remove = tsuru.faults.add({ kind: 'units-unknown', app: 'one' });
    assert.deepEqual(await units(admin), [`one 0 ${UNKNOWN}`, 'two 1 ']);
    assert.match((await admin.call('GET', '/1.0/apps/one')).body, /unable to list app units/);
    assert.doesNotMatch((await admin.call('GET', '/1.0/apps/two')).body, /unable to list app units/);
    remove();
    tsuru.faults.add({ kind: 'units-unknown', error: 'no cluster' });
    assert.deepEqual(
      await units(admin),
      ['one', 'two'].map((name) => `${name} 0 unable to list app units: no cluster`),
    );
    tsuru.faults.clear();
    assert.deepEqual(await units(admin), ['one 1 ', 'two 1 ']);
  });
});

it('the local Tsuru asks no cluster for a simplified list, which has no units and no trouble with them', async () => {
  await withTwoApps(async (tsuru, admin) => {
    tsuru.faults.add({ kind: 'units-unknown' });
    const apps = JSON.parse((await admin.call('GET', '/1.0/apps?simplified=true')).body) as AppJson[];
    assert.deepEqual(
      apps
        .map(({ name, units: listed, error }) => [name, listed, error])
        .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
      [
        ['one', [], undefined],
        ['two', [], undefined],
      ],
    );
  });
});

it('the local Tsuru leaves an app out of the list, or lists none at all, while the app itself can be read', async () => {
  await withTwoApps(async (tsuru, admin) => {
    tsuru.faults.add({ kind: 'app-missing', app: 'one' });
    assert.deepEqual(await units(admin), ['two 1 ']);
    tsuru.faults.clear();
    tsuru.faults.add({ kind: 'status', status: 204, path: '/apps' });
    const empty = await admin.call('GET', '/1.0/apps?extended=true');
    assert.deepEqual([empty.status, empty.contentType, empty.body], [204, '', '']);
    assert.equal((await admin.call('GET', '/1.0/apps/one')).status, 200);
  });
});

it('the local Tsuru fails for some paths, methods and times only', async () => {
  await withTwoApps(async (tsuru, admin) => {
    tsuru.faults.add({ kind: 'status', status: 500, path: '/apps/one', method: 'GET', times: 2 });
    const statuses = [];
    for (const path of ['/apps/one', '/apps', '/apps/two', '/apps/one/env', '/apps/one', '/apps/one']) {
      statuses.push((await admin.call('GET', `/1.0${path}`)).status);
    }
    assert.deepEqual(statuses, [500, 200, 200, 200, 500, 200]);
    assert.deepEqual(tsuru.faults.list(), []);

    tsuru.faults.add({ kind: 'status', status: 500, path: '/apps/one*' });
    assert.equal((await admin.call('GET', '/1.0/apps/one/env')).status, 500);
    assert.equal((await admin.call('GET', '/1.0/apps/two')).status, 200);
  });
});

it('the local Tsuru refuses everybody, or answers with what is not expected', async () => {
  await withTwoApps(async (tsuru, admin) => {
    tsuru.faults.add({ kind: 'status', status: 401, times: 1 });
    const refused = await admin.call('GET', '/1.0/apps');
    assert.deepEqual([refused.status, refused.body], [401, 'You must provide a valid Authorization header\n']);
    tsuru.faults.add({ kind: 'body', body: '<html>', contentType: 'text/html', times: 1 });
    const page = await admin.call('GET', '/1.0/apps');
    assert.deepEqual([page.status, page.contentType, page.body], [200, 'text/html', '<html>']);
    tsuru.faults.add({ kind: 'body', body: '{"apps": 1}', times: 1 });
    const shape = await admin.call('GET', '/1.0/apps');
    assert.deepEqual([shape.contentType, shape.body], ['application/json', '{"apps": 1}']);
  });
});

it('the local Tsuru is slow', async () => {
  await withTwoApps(async (tsuru, admin) => {
    tsuru.faults.add({ kind: 'latency', ms: 200, times: 1 });
    const start = performance.now();
    assert.equal((await admin.call('GET', '/1.0/apps')).status, 200);
    assert.ok(performance.now() - start > 190);
  });
});

it('the local Tsuru breaks the connection in the middle of an answer, after it did what was asked', async () => {
  await withTwoApps(async (tsuru, admin) => {
    tsuru.faults.add({ kind: 'cut' });
    await assert.rejects(admin.call('GET', '/1.0/apps'));
    await assert.rejects(admin.call('PUT', '/1.0/apps/one', { json: { description: 'cut' } }));
    await assert.rejects(admin.call('PUT', '/1.0/apps/one/units', { form: { units: 1, process: 'web' } }));
    await until('the unit', () => tsuru.units('one').length === 2);
    tsuru.faults.clear();
    assert.deepEqual(await units(admin), ['one 2 ', 'two 1 ']);
  });
});

it('the local Tsuru loses a request: it is neither done nor answered', async () => {
  await withTwoApps(async (tsuru, admin) => {
    tsuru.faults.add({ kind: 'drop', method: 'PUT', path: '/apps/one/units', times: 1 });
    const more = { form: { units: 1, process: 'web' } };
    await assert.rejects(admin.call('PUT', '/1.0/apps/one/units', more));
    assert.deepEqual(await units(admin), ['one 1 ', 'two 1 ']);
    assert.equal((await admin.call('PUT', '/1.0/apps/one/units', more)).status, 200);
    assert.deepEqual(await units(admin), ['one 2 ', 'two 1 ']);
  });
});

it('the local Tsuru receives a request twice, and gives the second answer', async () => {
  await withTwoApps(async (tsuru, admin) => {
    tsuru.faults.add({ kind: 'repeat', method: 'PUT', path: '/apps/one/units', times: 1 });
    const added = await admin.call('PUT', '/1.0/apps/one/units', { form: { units: 1, process: 'web' } });
    assert.equal(added.status, 200);
    assert.deepEqual(await units(admin), ['one 3 ', 'two 1 ']);
    tsuru.faults.add({ kind: 'repeat', method: 'DELETE', path: '/apps/two', times: 1 });
    const removed = await admin.call('DELETE', '/1.0/apps/two');
    assert.deepEqual([removed.status, removed.body], [404, 'App two not found.\n']);
    assert.deepEqual(await units(admin), ['one 3 ']);
  });
});

it('the local Tsuru listens no more, and then again on the same port', async () => {
  await withTwoApps(async (tsuru, admin) => {
    await tsuru.stopListening();
    await assert.rejects(admin.call('GET', '/1.0/info'));
    await tsuru.listenAgain();
    assert.equal((await admin.call('GET', '/1.0/info')).status, 200);
    assert.equal((await admin.call('POST', '/local/outage', { json: { seconds: 0.2 } })).status, 200);
    await until('an outage', () =>
      admin.call('GET', '/1.0/info').then(
        () => false,
        () => true,
      ),
    );
    await until('its end', async () => (await admin.call('GET', '/1.0/info')).status === 200);
  });
});

it('the local Tsuru takes faults over HTTP too, and says what one looks like', async () => {
  await withTwoApps(async (tsuru, admin) => {
    const add = (json: unknown) => admin.call('POST', '/local/faults', { json });
    const faults = [
      { kind: 'status', status: 503, path: '/info', times: 1 },
      { kind: 'latency', ms: 1 },
      { kind: 'body', body: 'x', path: '/plans' },
      { kind: 'units-unknown', app: 'one' },
      { kind: 'app-missing', app: 'two' },
      { kind: 'cut', path: '/pools' },
      { kind: 'drop', path: '/platforms' },
      { kind: 'repeat', path: '/routers' },
    ];
    for (const fault of faults) assert.equal((await add(fault)).status, 201);
    assert.deepEqual(
      JSON.parse((await admin.call('GET', '/local/faults')).body),
      faults.map(({ ...fault }) => fault),
    );
    assert.equal((await admin.call('GET', '/1.0/info')).status, 503);
    assert.deepEqual(await units(admin), [`one 0 ${UNKNOWN}`]);
    await add({ kind: 'status', status: 401 });
    assert.equal((await admin.call('DELETE', '/local/faults')).status, 200);
    assert.deepEqual(tsuru.faults.list(), []);
    const wrong = await add({ kind: 'flood' });
    assert.equal(wrong.status, 400);
    assert.match(wrong.body, /^a fault is JSON such as /);
    const [unit] = tsuru.units('one');
    assert.equal((await admin.call('POST', `/local/units/${unit?.name ?? ''}/kill`)).status, 200);
    await until('a restart', () => tsuru.units('one')[0]?.restarts === 1);
  });
});

it('the local Tsuru counts requests by method and path', async () => {
  await withTwoApps(async (tsuru, admin) => {
    tsuru.requests.clear();
    await admin.call('GET', '/1.0/apps?extended=true');
    await admin.call('GET', '/1.0/apps/one');
    await admin.call('GET', '/1.0/apps/nosuch');
    assert.equal(tsuru.requests.count('GET', '/1.0/apps'), 1);
    assert.equal(tsuru.requests.count('GET', /^\/1\.0\/apps\/./), 2);
    await until('all statuses', () => tsuru.requests.all().every(({ status }) => status !== undefined));
    assert.deepEqual(
      tsuru.requests.all().map(({ query, status }) => [query, status]),
      [
        ['extended=true', 200],
        ['', 200],
        ['', 404],
      ],
    );
  });
});

async function withTwoApps(test: (tsuru: LocalTsuru, admin: Client) => Promise<void>): Promise<void> {
  await withTsuru({}, async (tsuru, admin) => {
    for (const name of ['one', 'two']) await createApp(admin, name, 'x:1');
    await test(tsuru, admin);
  });
}

/** Of each app in the list: its name, how many units it shows, and its error. */
async function units(admin: Client): Promise<string[]> {
  const apps = JSON.parse((await admin.call('GET', '/1.0/apps?extended=true')).body) as AppJson[];
  return apps.map((app) => `${app.name} ${app.units.length} ${app.error ?? ''}`).sort();
}
