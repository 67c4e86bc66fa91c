import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addInstance, askedOf, withBroker } from './brokered.ts';
import { createClient, type Client } from './client.ts';
import { withTsuru } from './worlds.ts';

const GOOD = { id: 'prometheus', endpoint: 'http://127.0.0.1:1', username: 'u', password: 'p', team: 'ops' };

const REFUSED: readonly (readonly [
  what: string,
  form: Partial<typeof GOOD> & { encoding?: string },
  sentence: string,
])[] = [
  ['no id', { id: '' }, 'Service id is required'],
  ['no password', { password: '' }, 'Service password is required'],
  ['no endpoint', { endpoint: '' }, 'Service production endpoint is required'],
  ['no team', { team: '' }, 'You must provide a team to execute this action.'],
  ['an unknown encoding', { encoding: 'xml' }, 'Invalid encoding "xml", valid options are: form, json'],
];

for (const [what, form, sentence] of REFUSED) {
  it(`refuses a service with ${what}`, async () => {
    await withTsuru({}, async (_tsuru, admin) => {
      const reply = await admin.call('POST', '/1.0/services', { form: { ...GOOD, ...form } });
      assert.deepEqual([reply.status, reply.body], [400, `${sentence}\n`]);
    });
  });
}

it('the local Tsuru creates a service once, documents it, and removes it when it has no instances', async () => {
  await withBroker({ service: { name: 'other' } }, async ({ admin, broker }) => {
    const form = { ...GOOD, endpoint: broker.url };
    const created = await admin.call('POST', '/1.0/services', { form });
    assert.deepEqual([created.status, created.body], [201, 'success']);
    const again = await admin.call('POST', '/1.0/services', { form });
    assert.deepEqual([again.status, again.body], [409, 'Service already exists.\n']);

    assert.equal((await admin.call('PUT', '/1.0/services/prometheus/doc', { form: { doc: 'Ask ops.' } })).status, 200);
    assert.equal((await admin.call('GET', '/1.0/services/prometheus/doc')).body, 'Ask ops.');

    await addInstance(admin);
    const kept = await admin.call('DELETE', '/1.0/services/prometheus');
    assert.equal(kept.status, 403);
    assert.match(kept.body, /^This service cannot be removed because it has instances\.\n/);
    await admin.call('DELETE', '/1.0/services/prometheus/instances/my-instance');
    assert.equal((await admin.call('DELETE', '/1.0/services/prometheus')).status, 200);
    assert.equal((await admin.call('GET', '/1.0/services/prometheus')).body, 'Service not found\n');
  });
});

it('the local Tsuru hides a restricted service from teams without access, and refuses them, until they are let in', async () => {
  await withBroker({ service: { restrictedTo: ['ops'] } }, async ({ tsuru, admin }) => {
    const member = await teamMember(tsuru.url, admin, 'shop', ['service-instance', 'service.read']);
    const add = (name: string) =>
      member.call('POST', '/1.0/services/prometheus/instances', { form: { name, owner: 'shop' } });
    assert.equal((await member.call('GET', '/1.0/services/instances')).status, 204);
    assert.equal((await add('one')).status, 403);
    assert.equal((await member.call('GET', '/1.0/services/prometheus/plans')).status, 403);

    assert.equal((await admin.call('PUT', '/1.0/services/prometheus/team/shop')).status, 200);
    assert.equal((await add('one')).status, 201);
    assert.match((await member.call('GET', '/1.0/services/instances')).body, /"instances":\["one"\]/);
    assert.equal((await member.call('GET', '/1.0/services/prometheus/plans')).status, 200);
  });
});

it('the local Tsuru shows a team its own instances only, and those that were shared with it', async () => {
  await withBroker({}, async ({ tsuru, admin }) => {
    const member = await teamMember(tsuru.url, admin, 'ops', ['service-instance.read']);
    await addInstance(admin, 'one');
    await addInstance(admin, 'two');
    assert.match((await member.call('GET', '/1.0/services/instances')).body, /"instances":\[\]/);
    assert.equal((await member.call('GET', '/1.0/services/prometheus/instances/one')).status, 403);
    const path = '/1.0/services/prometheus/instances/permission/one/ops';
    assert.equal((await admin.call('PUT', path)).status, 200);
    assert.match((await member.call('GET', '/1.0/services/instances')).body, /"instances":\["one"\]/);
    assert.equal((await admin.call('DELETE', path)).status, 200);
    assert.match((await member.call('GET', '/1.0/services/instances')).body, /"instances":\[\]/);
    const owner = await admin.call('DELETE', path.replace('ops', 'shop'));
    assert.deepEqual([owner.status, owner.body], [500, "cannot revoke the instance's team owner access\n"]);
  });
});

it('the local Tsuru tells the broker of a multi-cluster service the pool and cluster of each instance, in headers', async () => {
  const cluster = { name: 'north', addresses: ['https://a', 'https://b'], kubeConfig: '{"token": "x"}' };
  const pools = [{ name: 'far', isDefault: true, isPublic: true, provisioner: 'kubernetes', cluster }];
  await withBroker({ tsuru: { pools }, service: { isMultiCluster: true } }, async ({ admin, broker }) => {
    const path = '/1.0/services/prometheus/instances';
    const without = await admin.call('POST', path, { form: { name: 'one', owner: 'shop' } });
    assert.deepEqual([without.status, without.body], [500, 'multi-cluster service instance requires a pool\n']);
    const nowhere = await admin.call('POST', path, { form: { name: 'one', owner: 'shop', pool: 'nowhere' } });
    assert.deepEqual([nowhere.status, nowhere.body], [500, 'Pool does not exist.\n']);
    assert.equal((await admin.call('POST', path, { form: { name: 'one', owner: 'shop', pool: 'far' } })).status, 201);
    const plans = await admin.call('GET', '/1.0/services/prometheus/plans?pool=');
    assert.deepEqual([plans.status, plans.body], [400, 'You must provide the pool name, available pools: far\n']);
    await admin.call('GET', `${path}/one`);
    assert.deepEqual(askedOf(broker), ['POST /resources', 'GET /resources/one', 'GET /resources/plans']);
    for (const { headers } of broker.asked) {
      assert.equal(headers['X-Tsuru-Pool-Name'], 'far');
      assert.equal(headers['X-Tsuru-Pool-Provisioner'], 'kubernetes');
      assert.equal(headers['X-Tsuru-Cluster-Name'], 'north');
      assert.equal(headers['X-Tsuru-Cluster-Provisioner'], 'kubernetes');
      // Once for each.
      assert.equal(headers['X-Tsuru-Cluster-Addresses'], 'https://a\nhttps://b');
      assert.equal(headers['X-Tsuru-Cluster-Kube-Config'], Buffer.from(cluster.kubeConfig).toString('base64'));
    }
  });
});

it('the local Tsuru gives an instance of an ordinary service no pool, and refuses one that asks for it', async () => {
  await withBroker({}, async ({ admin, broker }) => {
    const form = { name: 'one', owner: 'shop', pool: 'dev' };
    const refused = await admin.call('POST', '/1.0/services/prometheus/instances', { form });
    assert.deepEqual(
      [refused.status, refused.body],
      [500, 'regular (non-multi-cluster) service instance cannot belong to a pool\n'],
    );
    await addInstance(admin, 'one');
    assert.deepEqual(
      Object.keys(broker.asked[0]?.headers ?? {}).filter((name) => /Pool|Cluster/.test(name)),
      [],
    );
  });
});

/** A token with a role in the context of a team. */
async function teamMember(url: string, admin: Client, team: string, permissions: readonly string[]): Promise<Client> {
  await admin.call('POST', '/1.0/roles', { form: { name: 'member', context: 'team' } });
  await admin.call('POST', '/1.0/roles/member/permissions', { form: { permission: permissions } });
  const { body } = await admin.call('POST', '/1.6/tokens', { form: { token_id: 'member', team, expires_in: 0 } });
  await admin.call('POST', '/1.6/roles/member/token', { form: { token_id: 'member', context: team } });
  return createClient(url, (JSON.parse(body) as { token: string }).token);
}
