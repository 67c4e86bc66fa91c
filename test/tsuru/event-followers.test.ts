import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { until } from '../support/until.ts';
import { createApp, createClient, type Client } from './client.ts';
import { startScriptedBroker, type ScriptedBroker } from './scripted-broker.ts';
import { withTsuru } from './worlds.ts';

const WEBHOOKS = '/1.6/events/webhooks';
/** Fields of an event, and one that no event has. */
const BODY = '{"app":"{{.Target.Value}}","kind":"{{ .Kind.Name }}","x":"{{.Nothing.There}}"}';
const BLOCKS = '/1.3/events/blocks';

it('the local Tsuru sends a webhook an event, as the recorded one did', async () => {
  await withReceiver(async (receiver) => {
    await withTsuru({}, async (_tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1');
      await addWebhook(admin, receiver, { target_types: ['app'], kind_names: ['app.update.unit.add'] });
      await addUnit(admin);
      const seen = await until('the event', () => receiver.asked[0]);
      const recorded = await recordedWebhook();
      assert.deepEqual(
        { method: seen.method, path: seen.path, headers: seen.headers },
        { method: recorded.method, path: recorded.path, headers: recorded.headers },
      );
      const event = JSON.parse(seen.body ?? '') as Record<string, unknown>;
      const wanted = JSON.parse(recorded.body) as Record<string, unknown>;
      assert.deepEqual(shapeOf(event), shapeOf(wanted));
      for (const key of ['Target', 'Kind', 'Owner', 'Allowed', 'AllowedCancel', 'Cancelable', 'Error', 'Running']) {
        assert.deepEqual(event[key], wanted[key], key);
      }
      assert.equal(withoutTime(String(event['Log'])), withoutTime(String(wanted['Log'])));
    });
  });
});

it('the local Tsuru sends a webhook only the events of its filter, and no failed ones when it wants success', async () => {
  await withReceiver(async (receiver) => {
    await withTsuru({}, async (_tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1');
      await addWebhook(admin, receiver, { kind_names: ['app.update'], success_only: true });
      const update = (json: unknown) => admin.call('PUT', '/1.0/apps/my-app', { json });
      await admin.call('POST', '/1.0/apps/my-app/deploy', { form: { image: 'x:2', origin: 'image' } });
      await admin.call('POST', BLOCKS, { form: { KindName: 'app.update', Reason: 'maintenance' } });
      assert.equal((await update({ description: 'refused' })).status, 500);
      const [block] = JSON.parse((await admin.call('GET', BLOCKS)).body) as { ID: string }[];
      await admin.call('DELETE', `${BLOCKS}/${block?.ID ?? ''}`);
      assert.equal((await update({ description: 'done' })).status, 200);
      const { body } = await until('the event', () => receiver.asked[0]);
      assert.match(body ?? '', /"Kind":\{"Type":"permission","Name":"app\.update"\}.*"Error":""/);
      assert.equal(receiver.asked.length, 1);
    });
  });
});

it('the local Tsuru sends a webhook of a kind the events of all kinds below it', async () => {
  await withReceiver(async (receiver) => {
    await withTsuru({}, async (_tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1');
      await addWebhook(admin, receiver, { kind_names: ['app.update'] }, BODY);
      await addUnit(admin);
      await until('the event', () => receiver.asked.length === 1);
      const headers = { 'Content-Type': 'text/plain' };
      await admin.call('PUT', `${WEBHOOKS}/hook`, {
        json: { ...hookOf(receiver, { kind_names: ['app.up', 'app.update.unit.add.x'] }, BODY), headers },
      });
      await addUnit(admin);
      await admin.call('PUT', `${WEBHOOKS}/hook`, {
        json: { ...hookOf(receiver, { kind_names: ['app.update.unit'] }, BODY), headers },
      });
      await addUnit(admin);
      await until('the event', () => receiver.asked.length === 2);
      assert.deepEqual(
        receiver.asked.map(({ body }) => body),
        Array.from({ length: 2 }, () => '{"app":"my-app","kind":"app.update.unit.add","x":"{{.Nothing.There}}"}'),
      );
      assert.equal(receiver.asked[1]?.headers['Content-Type'], 'text/plain');
    });
  });
});

it('the local Tsuru sends webhooks one after the other, each event once', async () => {
  const held = Promise.withResolvers<{ status: number; body: string }>();
  const slow = await startScriptedBroker(() => held.promise);
  const failing = await startScriptedBroker(() => ({ status: 500, body: 'no' }));
  try {
    await withTsuru({}, async (_tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1');
      for (const [name, { url }] of [
        ['slow', slow],
        ['failing', failing],
      ] as const) {
        const json = { name, url, team_owner: 'ops', event_filter: { kind_names: ['app.update'] } };
        assert.equal((await admin.call('POST', WEBHOOKS, { json })).status, 200);
      }
      for (let n = 0; n < 3; n += 1) assert.equal((await addUnit(admin)).status, 200);
      assert.ok(slow.asked.length + failing.asked.length <= 2);
      held.resolve({ status: 200, body: '' });
      await until('all events', () => slow.asked.length === 3 && failing.asked.length === 3);
    });
  } finally {
    await slow.close();
    await failing.close();
  }
});

it('the local Tsuru lists all webhooks, headers included, for a token without a permission for webhooks', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    const hook = { name: 'hook', url: 'http://127.0.0.1:1/', team_owner: 'ops', headers: { 'X-A': ['b'] } };
    assert.equal((await admin.call('POST', WEBHOOKS, { json: hook })).status, 200);
    const { body } = await admin.call('POST', '/1.6/tokens', {
      form: { token_id: 'nobody', team: 'shop', expires_in: 0 },
    });
    const nobody = createClient(tsuru.url, (JSON.parse(body) as { token: string }).token);
    assert.match((await nobody.call('GET', WEBHOOKS)).body, /"X-A":\["b"\]/);
    assert.equal((await nobody.call('GET', `${WEBHOOKS}/hook`)).status, 403);
    await admin.call('POST', '/1.0/roles', { form: { name: 'watcher', context: 'team' } });
    await admin.call('POST', '/1.0/roles/watcher/permissions', { form: { permission: 'webhook.read' } });
    await admin.call('POST', '/1.6/roles/watcher/token', { form: { token_id: 'nobody', context: 'shop' } });
    assert.equal((await nobody.call('GET', WEBHOOKS)).status, 204);
  });
});

it('the local Tsuru changes, lists and forgets webhooks, and says what is wrong with one', async () => {
  await withTsuru({}, async (_tsuru, admin) => {
    assert.equal((await admin.call('GET', WEBHOOKS)).status, 204);
    const hook = { name: 'hook', url: 'http://127.0.0.1:1/', team_owner: 'ops', headers: { 'X-A': ['b'] } };
    const add = (json: unknown) => admin.call('POST', WEBHOOKS, { json });
    assert.equal((await add(hook)).status, 200);
    assert.deepEqual([(await add(hook)).status, (await add(hook)).body], [409, 'webhook already exists\n']);
    assert.equal((await add({ ...hook, name: '' })).body, 'webhook name must not be empty\n');
    assert.equal((await add({ ...hook, name: 'other', url: '' })).body, 'webhook url must not be empty\n');
    await admin.call('PUT', `${WEBHOOKS}/hook`, { json: { ...hook, method: 'PUT' } });
    const shown = JSON.parse((await admin.call('GET', `${WEBHOOKS}/hook`)).body) as Record<string, unknown>;
    assert.deepEqual([shown['method'], shown['headers']], ['PUT', { 'X-A': ['b'] }]);
    assert.equal((await admin.call('DELETE', `${WEBHOOKS}/hook`)).status, 200);
    const gone = await admin.call('DELETE', `${WEBHOOKS}/hook`);
    assert.deepEqual([gone.status, gone.body], [404, 'webhook not found\n']);
  });
});

const BLOCKED: readonly (readonly [what: string, block: Readonly<Record<string, string>>, sentence: string])[] = [
  ['a kind', { KindName: 'app.update' }, 'block app.update by all users on all targets: tidying'],
  ['everything', {}, 'block all actions by all users on all targets: tidying'],
  [
    'what somebody does',
    { OwnerName: 'admin@example.com' },
    'block all actions by admin@example.com on all targets: tidying',
  ],
  [
    'what is done to an app',
    { 'Target.Type': 'app', 'Target.Value': 'my-app' },
    'block all actions by all users on app(my-app): tidying',
  ],
];

for (const [what, block, sentence] of BLOCKED) {
  it(`refuses ${what} while it is blocked, and says why`, async () => {
    await withTsuru({}, async (tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1');
      assert.equal((await admin.call('POST', BLOCKS, { form: { ...block, Reason: 'tidying' } })).status, 200);
      const refused = await addUnit(admin);
      assert.deepEqual(
        [refused.status, refused.body],
        [500, `error running "app.update.unit.add" on app(my-app): ${sentence}\n`],
      );
      const [added] = JSON.parse((await admin.call('GET', `${BLOCKS}?active=true`)).body) as { ID: string }[];
      assert.equal((await admin.call('DELETE', `${BLOCKS}/${added?.ID ?? ''}`)).status, 200);
      const again = await admin.call('DELETE', `${BLOCKS}/${added?.ID ?? ''}`);
      assert.equal(again.body, `active event block with id ${added?.ID ?? ''} not found\n`);
      assert.equal((await addUnit(admin)).status, 200);
      assert.equal(tsuru.units('my-app').length, 2);
    });
  });
}

it('the local Tsuru does not block what a block does not name', async () => {
  await withTsuru({}, async (_tsuru, admin) => {
    await createApp(admin, 'my-app', 'x:1');
    await admin.call('POST', BLOCKS, { form: { OwnerName: 'someone', Reason: 'x' } });
    await admin.call('POST', BLOCKS, { form: { 'Target.Type': 'app', 'Target.Value': 'other', Reason: 'x' } });
    await admin.call('POST', BLOCKS, { form: { KindName: 'app.deploy', Reason: 'x' } });
    assert.equal((await addUnit(admin)).status, 200);
    const reasonless = await admin.call('POST', BLOCKS, { form: { KindName: 'app' } });
    assert.deepEqual([reasonless.status, reasonless.body], [400, 'reason is required\n']);
  });
});

async function withReceiver(test: (receiver: ScriptedBroker) => Promise<void>): Promise<void> {
  const receiver = await startScriptedBroker(() => ({ status: 201, body: '' }));
  try {
    await test(receiver);
  } finally {
    await receiver.close();
  }
}

function hookOf({ url }: ScriptedBroker, event_filter: unknown, body = '') {
  return { name: 'hook', url: `${url}/events`, team_owner: 'ops', event_filter, body };
}

async function addWebhook(admin: Client, receiver: ScriptedBroker, event_filter: unknown, body = ''): Promise<void> {
  const json = hookOf(receiver, event_filter, body);
  assert.equal((await admin.call('POST', WEBHOOKS, { json })).status, 200);
}

function addUnit(admin: Client) {
  return admin.call('PUT', '/1.0/apps/my-app/units', { form: { units: 1, process: 'web' } });
}

async function recordedWebhook() {
  const file = new URL('../recorded/service-api.json', import.meta.url);
  const exchanges = JSON.parse(await readFile(file, 'utf8')) as {
    request: { method: string; path: string; headers: Record<string, string>; body: string };
  }[];
  const found = exchanges.find(({ request }) => request.path === '/events');
  assert.ok(found !== undefined);
  return found.request;
}

/** Every key with the type of its value; of a list its first item. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (typeof value !== 'object' || value === null) return value === null ? null : typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shapeOf(item)]));
}

function withoutTime(log: string): string {
  return log.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000/g, '<time>');
}
