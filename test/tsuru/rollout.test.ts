import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/until.ts';
import { createApp, type Client } from './client.ts';
import type { Images } from './images.ts';
import { listedOnly, withTsuru } from './worlds.ts';

interface AppJson {
  readonly units: readonly { readonly Name: string; readonly Version: number; readonly Routable: boolean }[];
  readonly internalAddresses?: readonly { readonly TargetPort: number; readonly Version: string }[];
  readonly deploys: number;
}

/** Longer than any test: a delay that ends only when the test sets it to 0. */
const HELD_MS = 60_000;

it('the local Tsuru starts the units of a new version before it ends those of the old one, and keeps their number', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'shop/my-app:1', 3);
    tsuru.delays.startingMs = HELD_MS;
    const deployed = deploy(admin, 'shop/my-app:2');
    await until('six units', () => tsuru.units('my-app').filter(({ status }) => status !== 'created').length === 6);
    assert.deepEqual(statuses(tsuru.units('my-app')), [
      '1 started',
      '1 started',
      '1 started',
      ...Array<string>(3).fill('2 starting'),
    ]);
    tsuru.delays.startingMs = 0;
    assert.equal((await deployed).body.endsWith('\nOK\n'), true);
    assert.deepEqual(statuses(tsuru.units('my-app')), Array<string>(3).fill('2 started'));
  });
});

it('the local Tsuru writes the ports of an app last: none in its first deploy, the old ones while another rolls out', async () => {
  const images: Images = (name) => ({ exposes: name.endsWith(':2') ? 9100 : 8888, processes: { web: 'nothing' } });
  await withTsuru({ images }, async (tsuru, admin) => {
    tsuru.delays.portsMs = HELD_MS;
    await admin.call('POST', '/1.0/apps', { json: { name: 'my-app', teamOwner: 'shop', pool: 'dev' } });
    const first = deploy(admin, 'shop/my-app:1');
    await until('a ready unit', () => tsuru.units('my-app').some(({ ready }) => ready));
    assert.equal('internalAddresses' in (await read(admin)), false);
    tsuru.delays.portsMs = 0;
    await first;
    assert.deepEqual(ports(await read(admin)), [8888]);

    tsuru.delays.portsMs = HELD_MS;
    const second = deploy(admin, 'shop/my-app:2');
    await until('only new units', () => tsuru.units('my-app').every(({ version }) => version === 2));
    assert.deepEqual(ports(await read(admin)), [8888]);
    tsuru.delays.portsMs = 0;
    await second;
    assert.deepEqual(ports(await read(admin)), [9100]);
  });
});

it('the local Tsuru never uses the name of a unit again, not even for a new app of the same name', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    const names = new Set<string>();
    let listed = 0;
    for (let round = 0; round < 2; round++) {
      await createApp(admin, 'my-app', 'shop/my-app:1', 2);
      for (const path of ['restart', 'stop', 'start']) {
        for (const { name } of tsuru.units('my-app')) names.add(name);
        listed += tsuru.units('my-app').length;
        await admin.call('POST', `/1.0/apps/my-app/${path}`, { form: {} });
      }
      await admin.call('DELETE', '/1.0/apps/my-app');
    }
    // Before each of the three, for each of the two apps: 2 units, 2 new ones, none.
    assert.equal(listed, 8);
    assert.equal(names.size, 8);
    for (const name of names) assert.match(name, /^my-app-web-[0-9a-f]{8}-\d{5}$/);
  });
});

it('the local Tsuru keeps the old units when the new ones do not get ready in time, and says so in the stream and in the event', async () => {
  const images: Images = (name) =>
    name.includes('crash')
      ? { processes: { web: { argv: ['/bin/sh', '-c', 'echo oh no; exit 1'] } } }
      : listedOnly()(name);
  await withTsuru({ images, delays: { deployTimeoutMs: HELD_MS } }, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'shop/my-app:1', 2);
    const before = tsuru.units('my-app').map(({ name }) => name);
    const deployed = deploy(admin, 'shop/my-app:crash');
    await until('the crash', async () =>
      (await admin.call('GET', '/1.0/apps/my-app/log?lines=9')).body.includes('oh no'),
    );
    tsuru.delays.deployTimeoutMs = 100;
    const reply = await deployed;
    assert.equal(reply.status, 200);
    assert.match(reply.body, /---- ERROR during deploy: ----\ntimeout waiting full rollout after 0.1s/);
    assert.match(reply.body, /: oh no\n/);
    assert.deepEqual(
      tsuru.units('my-app').map(({ name }) => name),
      before,
    );
    const id = reply.headers.get('x-tsuru-eventid') ?? '';
    const event = JSON.parse((await admin.call('GET', `/1.1/events/${id}`)).body) as Record<string, unknown>;
    assert.equal(event['Running'], false);
    assert.match(String(event['Error']), /timeout waiting full rollout/);
    assert.equal((await read(admin)).deploys, 1);
  });
});

it('the local Tsuru goes on with a deploy when the client hangs up, and tells in its event how it ended', async () => {
  await withTsuru({ delays: { startingMs: HELD_MS } }, async (tsuru, admin) => {
    await admin.call('POST', '/1.0/apps', { json: { name: 'my-app', teamOwner: 'shop', pool: 'dev' } });
    const hangUp = new AbortController();
    const response = await fetch(`${tsuru.url}/1.0/apps/my-app/deploy`, {
      method: 'POST',
      headers: { Authorization: `bearer ${tsuru.adminToken}` },
      body: new URLSearchParams({ image: 'shop/my-app:1', origin: 'image' }),
      signal: hangUp.signal,
    });
    const id = response.headers.get('x-tsuru-eventid') ?? '';
    const query = 'target.type=app&target.value=my-app&kindname=app.deploy&running=true';
    const running = JSON.parse((await admin.call('GET', `/1.1/events?${query}`)).body) as { UniqueID: string }[];
    assert.deepEqual(
      running.map(({ UniqueID }) => UniqueID),
      [id],
    );
    hangUp.abort();
    tsuru.delays.startingMs = 0;
    await until('the end of the event', async () =>
      (await admin.call('GET', `/1.1/events/${id}`)).body.includes('"Running":false'),
    );
    const { Error: error } = JSON.parse((await admin.call('GET', `/1.1/events/${id}`)).body) as { Error: string };
    assert.equal(error, '');
    assert.equal((await read(admin)).deploys, 1);
    assert.equal((await admin.call('GET', `/1.1/events?${query}`)).status, 204);
  });
});

it('the local Tsuru runs two versions side by side when asked to, with ports for each', async () => {
  await withTsuru({}, async (_tsuru, admin) => {
    await createApp(admin, 'my-app', 'shop/my-app:1');
    await deploy(admin, 'shop/my-app:2', { 'new-version': 'true' });
    const both = await read(admin);
    assert.deepEqual(both.units.map(({ Version, Routable }) => [Version, Routable]).sort(), [
      [1, true],
      [2, false],
    ]);
    assert.deepEqual(both.internalAddresses?.map(({ Version }) => Version).sort(), ['', '1', '2']);
    await deploy(admin, 'shop/my-app:3', { 'override-versions': 'true' });
    const one = await read(admin);
    assert.deepEqual(
      one.units.map(({ Version, Routable }) => [Version, Routable]),
      [[3, true]],
    );
    assert.deepEqual(
      one.internalAddresses?.map(({ Version }) => Version),
      [''],
    );
  });
});

it('the local Tsuru lets a second change of an app wait for the first one', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'shop/my-app:1');
    tsuru.delays.startingMs = HELD_MS;
    const first = addUnit(admin);
    await until('the first unit to be added', () => tsuru.units('my-app').length === 2);
    const second = addUnit(admin);
    await until('the second request', () => tsuru.requests.count('PUT', '/1.0/apps/my-app/units') === 2);
    tsuru.delays.startingMs = 0;
    assert.deepEqual([(await first).status, (await second).status], [200, 200]);
    assert.equal(tsuru.units('my-app').length, 3);
  });
});

it('the local Tsuru refuses a second change of an app when the first one takes too long', async () => {
  await withTsuru({ locks: { appWaitMs: 50 } }, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'shop/my-app:1');
    tsuru.delays.startingMs = HELD_MS;
    const deployed = deploy(admin, 'shop/my-app:2');
    await until('the new unit', () => tsuru.units('my-app').length === 2);
    const refused = await addUnit(admin);
    assert.equal(refused.status, 500);
    assert.match(
      refused.body,
      /^event locked: app\(my-app\) running "app\.deploy" start by user admin@example\.com at .*Z\n$/,
    );
    tsuru.delays.startingMs = 0;
    await deployed;
  });
});

function deploy(admin: Client, image: string, more: Readonly<Record<string, string>> = {}) {
  return admin.call('POST', '/1.0/apps/my-app/deploy', { form: { image, origin: 'image', ...more } });
}

function addUnit(admin: Client) {
  return admin.call('PUT', '/1.0/apps/my-app/units', { form: { units: 1, process: 'web' } });
}

async function read(admin: Client): Promise<AppJson> {
  return JSON.parse((await admin.call('GET', '/1.0/apps/my-app')).body) as AppJson;
}

function ports(app: AppJson): number[] | undefined {
  return app.internalAddresses?.map(({ TargetPort }) => TargetPort);
}

function statuses(units: readonly { readonly version: number; readonly status: string }[]): string[] {
  return units.map(({ version, status }) => `${version} ${status}`).sort();
}

it('the local Tsuru refuses a deploy whose labels Kubernetes would not take: of tags with one key the last, and not its key alone, counts', async () => {
  await withTsuru({}, async (_tsuru, admin) => {
    for (const [name, tags, isTaken] of [
      ['a-slash', ['owner=me/you'], false],
      ['two-tags', ['owner=me/you', 'owner=me'], true],
      ['no-key', ['my owner=me/you', '=x/y', 'me/you'], true],
      ['ends-', [], false],
    ] as const) {
      await admin.call('POST', '/1.0/apps', { json: { name, teamOwner: 'shop', pool: 'dev', tags } });
      const form = { image: 'shop/my-app:1', origin: 'image' };
      const { body } = await admin.call('POST', `/1.0/apps/${name}/deploy`, { form });
      if (isTaken) assert.match(body, /\nOK\n$/, name);
      else assert.match(body, /a valid label must be an empty string or consist of alphanumeric characters/, name);
    }
  });
});
