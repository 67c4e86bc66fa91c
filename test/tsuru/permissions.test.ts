import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createApp, createClient, type Client } from './client.ts';
import type { LocalTsuru } from './server.ts';
import { withTsuru } from './worlds.ts';

it('the local Tsuru lists exactly the apps that a token may read, whatever the context of its roles', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    await createApp(admin, 'of-shop', 'x:1');
    await createApp(admin, 'of-shop-too', 'x:1');
    await admin.call('POST', '/1.0/apps', { json: { name: 'of-ops', teamOwner: 'ops', pool: 'dev' } });
    const contexts = [
      { type: 'app', value: 'of-shop', sees: ['of-shop'] },
      { type: 'team', value: 'ops', sees: ['of-ops'] },
      { type: 'pool', value: 'dev', sees: ['of-ops', 'of-shop', 'of-shop-too'] },
      { type: 'global', value: '', sees: ['of-ops', 'of-shop', 'of-shop-too'] },
    ];
    for (const { type, value, sees } of contexts) {
      const reader = await createToken(tsuru, admin, `reads-${type}`);
      await grant(admin, `reads-${type}`, { role: `read-${type}`, type, permission: 'app.read.info', value });
      assert.deepEqual(await names(reader), sees, type);
    }
  });
});

it('the local Tsuru lets a permission cover those under it, and none beside or above it', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'x:1');
    const permissions = [
      { permission: 'app', statuses: [200, 200, 200] },
      { permission: 'app.read', statuses: [200, 200, 403] },
      { permission: 'app.read.info', statuses: [200, 403, 403] },
      { permission: 'app.read.information', statuses: [403, 403, 403] },
      { permission: 'app.update', statuses: [403, 403, 200] },
    ];
    for (const [i, { permission, statuses }] of permissions.entries()) {
      const caller = await createToken(tsuru, admin, `token-${i}`);
      await grant(admin, `token-${i}`, { role: `role-${i}`, type: 'app', permission, value: 'my-app' });
      const replies = [
        await caller.call('GET', '/1.0/apps/my-app'),
        await caller.call('GET', '/1.0/apps/my-app/env'),
        await caller.call('PUT', '/1.0/apps/my-app', { json: { description: 'x' } }),
      ];
      assert.deepEqual(
        replies.map(({ status }) => status),
        statuses,
        permission,
      );
    }
  });
});

describe('a caller without the permission', () => {
  const calls: readonly (readonly [method: string, path: string])[] = [
    ['POST', '/1.0/apps'],
    ['GET', '/1.0/apps/my-app'],
    ['PUT', '/1.0/apps/my-app'],
    ['DELETE', '/1.0/apps/my-app'],
    ['GET', '/1.0/apps/my-app/env'],
    ['POST', '/1.0/apps/my-app/env'],
    ['DELETE', '/1.0/apps/my-app/env?env=A'],
    ['PUT', '/1.0/apps/my-app/units'],
    ['DELETE', '/1.0/apps/my-app/units?units=1'],
    ['POST', '/1.0/apps/my-app/deploy'],
    ['POST', '/1.0/apps/my-app/restart'],
    ['GET', '/1.0/apps/my-app/log?lines=1'],
    ['POST', '/1.0/roles'],
    ['POST', '/1.0/roles/AllowAll/permissions'],
    ['POST', '/1.6/roles/AllowAll/token'],
    ['DELETE', '/1.6/roles/AllowAll/token/nobody'],
    ['POST', '/1.6/tokens'],
    ['GET', '/1.7/tokens/nobody'],
    ['DELETE', '/1.6/tokens/nobody'],
    ['GET', '/local/faults'],
    ['POST', '/local/outage'],
  ];
  // Enough for every call to get as far as its permission.
  const inputs = { teamOwner: 'shop', team: 'shop', units: 1, image: 'x', description: 'x', 'Envs.0.Name': 'A' };

  it('is refused with 403, and an unknown caller with 401', async () => {
    await withTsuru({}, async (tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1');
      const nobody = await createToken(tsuru, admin, 'nobody');
      const stranger = createClient(tsuru.url, 'unknown');
      for (const [method, path] of calls) {
        const body = method === 'GET' ? undefined : { form: inputs };
        const refused = await nobody.call(method, path, body);
        assert.deepEqual([refused.status, refused.body], [403, "You don't have permission to do this action\n"], path);
        const unknown = await stranger.call(method, path, body);
        assert.deepEqual(
          [unknown.status, unknown.body],
          [401, 'You must provide a valid Authorization header\n'],
          path,
        );
      }
    });
  });
});

it('the local Tsuru hides a token from whoever may do less than it', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    const lesser = await createToken(tsuru, admin, 'lesser');
    await grant(admin, 'lesser', { role: 'token-reader', type: 'global', permission: 'team.token', value: '' });
    await createToken(tsuru, admin, 'greater');
    await grant(admin, 'greater', { role: 'AllowAll', type: 'global', permission: '', value: '' });
    const shown = async (client: Client) =>
      (JSON.parse((await client.call('GET', '/1.7/tokens/greater')).body) as { token: string }).token;
    assert.equal(await shown(lesser), '');
    assert.notEqual(await shown(admin), '');
  });
});

it('the local Tsuru refuses to delete a token that made apps, and lets no token in that is too old', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    const maker = await createToken(tsuru, admin, 'maker');
    await grant(admin, 'maker', { role: 'maker', type: 'global', permission: 'app', value: '' });
    await maker.call('POST', '/1.0/apps', { json: { name: 'made', teamOwner: 'shop' } });
    assert.equal((await admin.call('DELETE', '/1.6/tokens/maker')).status, 500);
    await maker.call('DELETE', '/1.0/apps/made');
    assert.equal((await admin.call('DELETE', '/1.6/tokens/maker')).status, 200);

    const { body } = await admin.call('POST', '/1.6/tokens', {
      form: { token_id: 'old', team: 'shop', expires_in: 3600 },
    });
    const { token, expires_at: expiry } = JSON.parse(body) as { token: string; expires_at: string };
    assert.ok(Math.abs(Date.parse(expiry) - Date.now() - 3_600_000) < 60_000);
    assert.equal((await createClient(tsuru.url, token).call('GET', '/1.0/info')).status, 200);
  });
});

it('the local Tsuru refuses a second grant of a role while one is under way, but not one of another role', async () => {
  await withTsuru({ locks: { holdMs: 300 } }, async (tsuru, admin) => {
    for (const name of ['one', 'two']) {
      await createToken(tsuru, admin, `token-${name}`);
      await admin.call('POST', '/1.0/roles', { form: { name, context: 'global' } });
    }
    const grants = (['one/one', 'one/two', 'two/one'] as const).map((pair) => {
      const [role = '', token = ''] = pair.split('/');
      return admin.call('POST', `/1.6/roles/${role}/token`, { form: { token_id: `token-${token}`, context: '' } });
    });
    const replies = await Promise.all(grants);
    assert.deepEqual(replies.map(({ status }) => status).toSorted(), [200, 200, 500]);
    const refused = replies.find(({ status }) => status === 500);
    assert.match(
      refused?.body ?? '',
      /^event locked: role\(one\) running "role\.update\.assign" start by user admin@example\.com at \S+Z\n$/,
    );
  });
});

it('the local Tsuru keeps the grant for an app that was removed, which counts for the next app of that name, and takes it back all the same', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    const create = (teamOwner: string) =>
      admin.call('POST', '/1.0/apps', { json: { name: 'pay', teamOwner, pool: 'dev' } });
    await create('shop');
    const reader = await createToken(tsuru, admin, 'one');
    await grant(admin, 'one', { role: 'reader', type: 'app', permission: 'app.read.info', value: 'pay' });
    await admin.call('DELETE', '/1.0/apps/pay');
    const form = { token_id: 'one', context: 'pay' };
    const again = await admin.call('POST', '/1.6/roles/reader/token', { form });
    assert.deepEqual([again.status, again.body], [400, 'App not found\n']);
    await create('ops');
    assert.deepEqual(await names(reader), ['pay']);
    await admin.call('DELETE', '/1.0/apps/pay');
    assert.equal((await admin.call('DELETE', '/1.6/roles/reader/token/one?context=pay')).status, 200);
    await create('ops');
    assert.equal((await reader.call('GET', '/1.0/apps')).status, 204);
  });
});

interface Granted {
  readonly role: string;
  readonly type: string;
  readonly permission: string;
  readonly value: string;
}

async function createToken(tsuru: LocalTsuru, admin: Client, id: string): Promise<Client> {
  const { body } = await admin.call('POST', '/1.6/tokens', { form: { token_id: id, team: 'shop', expires_in: 0 } });
  return createClient(tsuru.url, (JSON.parse(body) as { token: string }).token);
}

async function grant(admin: Client, token: string, { role, type, permission, value }: Granted): Promise<void> {
  await admin.call('POST', '/1.0/roles', { form: { name: role, context: type } });
  await admin.call('POST', `/1.0/roles/${role}/permissions`, { form: { permission } });
  const granted = await admin.call('POST', `/1.6/roles/${role}/token`, { form: { token_id: token, context: value } });
  assert.equal(granted.status, 200, granted.body);
}

async function names(client: Client): Promise<string[]> {
  const { body } = await client.call('GET', '/1.0/apps');
  return (JSON.parse(body) as { name: string }[]).map(({ name }) => name).sort();
}
