import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addInstance, bindPath, withBroker } from './brokered.ts';
import type { Client } from './client.ts';
import type { Pool } from './pools.ts';
import { withTsuru } from './worlds.ts';

const DEV: Pool = { name: 'dev', isDefault: true, isPublic: true, provisioner: 'kubernetes' };
/** Hardly anything is allowed in it. */
const NARROW: Pool = {
  ...{ name: 'narrow', isDefault: false, isPublic: false, provisioner: 'kubernetes' },
  allowed: { plan: ['c0.1m0.2', 'c1m1'], service: ['other'], team: ['shop'], 'volume-plan': ['nfs'], router: [] },
};
const POOLS = { pools: [DEV, NARROW] };

it('the local Tsuru lists what each pool allows', async () => {
  await withTsuru(POOLS, async (_tsuru, admin) => {
    const pools = JSON.parse((await admin.call('GET', '/1.0/pools')).body) as {
      Name: string;
      allowed: Record<string, string[]>;
    }[];
    const { allowed = {} } = pools.find(({ Name }) => Name === 'narrow') ?? {};
    assert.deepEqual(
      { ...allowed, plan: allowed['plan']?.toSorted() },
      { ...{ plan: ['c0.1m0.2', 'c1m1'], router: [], service: [], team: ['shop'], 'volume-plan': ['nfs'] } },
    );
  });
});

const REFUSED: readonly (readonly [
  what: string,
  json: Readonly<Record<string, string>>,
  status: number,
  body: string,
])[] = [
  ['a plan', { plan: 'c2m2', router: 'none' }, 400, 'App plan "c2m2" is not allowed on pool "narrow"'],
  ['a team', { teamOwner: 'ops', router: 'none' }, 400, 'App team owner "ops" has no access to pool "narrow"'],
  ['a router', {}, 500, 'no router found for pool'],
];

for (const [what, json, status, body] of REFUSED) {
  it(`refuses an app with ${what} that its pool does not allow`, async () => {
    await withTsuru(POOLS, async (_tsuru, admin) => {
      const reply = await create(admin, json);
      assert.deepEqual([reply.status, reply.body], [status, `${body}\n`]);
    });
  });
}

it('the local Tsuru refuses an unknown router', async () => {
  await withTsuru({}, async (_tsuru, admin) => {
    const reply = await create(admin, { pool: 'dev', router: 'nosuch' });
    assert.equal(reply.body, 'router "nosuch" is not available for pool "dev". Available routers are: "fake"\n');
  });
});

it('the local Tsuru gives an app without a router no address, and refuses plans that its pool does not allow', async () => {
  await withTsuru(POOLS, async (_tsuru, admin) => {
    const created = await create(admin, { router: 'none', plan: 'c1m1' });
    assert.deepEqual([created.status, JSON.parse(created.body)], [201, { ip: '', status: 'success' }]);
    const app = JSON.parse((await admin.call('GET', '/1.0/apps/my-app')).body) as Record<string, unknown>;
    assert.deepEqual([app['ip'], app['routers'], app['router']], ['', [], 'none']);
    const changed = await admin.call('PUT', '/1.0/apps/my-app', { json: { plan: 'c2m2' } });
    assert.deepEqual([changed.status, changed.body], [400, 'App plan "c2m2" is not allowed on pool "narrow"\n']);
  });
});

it('the local Tsuru refuses to bind an app of a pool that does not allow the service', async () => {
  await withBroker({ tsuru: POOLS }, async ({ tsuru, admin, broker }) => {
    await create(admin, { router: 'none' });
    await addInstance(admin);
    const none = await admin.call('PUT', bindPath('my-app'));
    assert.deepEqual([none.status, none.body], [400, 'no service found for pool\n']);
    tsuru.addService({ name: 'other', endpoint: broker.url, username: 'u', password: 'p' });
    const other = await admin.call('PUT', bindPath('my-app'));
    assert.equal(
      other.body,
      'service "prometheus" is not available for pool "narrow". Available services are: "other"\n',
    );
  });
});

it('the local Tsuru tells the broker the cluster of an app, and no address where it has none', async () => {
  const cluster = { name: 'north', addresses: ['https://a', 'https://b'] };
  await withBroker({ tsuru: { pools: [{ ...DEV, cluster }] } }, async ({ admin, broker }) => {
    await create(admin, { pool: 'dev', router: 'none' });
    await addInstance(admin);
    await admin.call('PUT', bindPath('my-app'));
    const told = new URLSearchParams(broker.asked.at(-1)?.body ?? '');
    assert.deepEqual(
      [...told].filter(([name]) => name !== 'eventid').map((pair) => pair.join('=')),
      [
        'app-cluster-addresses=https://a',
        'app-cluster-addresses=https://b',
        'app-cluster-name=north',
        'app-cluster-provisioner=kubernetes',
        'app-name=my-app',
        'app-pool-name=dev',
        'app-pool-provisioner=kubernetes',
        'user=admin@example.com',
      ],
    );
  });
});

function create(admin: Client, json: Readonly<Record<string, string>>) {
  return admin.call('POST', '/1.0/apps', { json: { name: 'my-app', teamOwner: 'shop', pool: 'narrow', ...json } });
}

it('the local Tsuru puts an app for which no pool is named into the one that is its team’s, and asks which where there are several', async () => {
  const own: Pool = { ...DEV, name: 'own', isDefault: false, allowed: { team: ['shop'] } };
  const other: Pool = { ...own, name: 'other', isPublic: false };
  const json = { name: 'my-app', teamOwner: 'shop' };
  await withTsuru({ pools: [DEV, own] }, async (_tsuru, admin) => {
    assert.equal((await admin.call('POST', '/1.0/apps', { json })).status, 201);
    assert.match((await admin.call('GET', '/1.0/apps/my-app')).body, /"pool":"own"/);
  });
  await withTsuru({ pools: [DEV, own, other] }, async (_tsuru, admin) => {
    const reply = await admin.call('POST', '/1.0/apps', { json });
    const body = 'you have access to "own","other","dev","own" pools. Please choose one in app creation\n';
    assert.deepEqual([reply.status, reply.body], [500, body]);
    assert.equal((await admin.call('POST', '/1.0/apps', { json: { ...json, teamOwner: 'ops' } })).status, 201);
  });
});
