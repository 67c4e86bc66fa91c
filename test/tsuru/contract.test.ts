import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { createClient, type Client, type Reply } from './client.ts';
import { differences, filledIn, readExchanges, writtenJson, type Exchange } from './recording.ts';
import { serviceOf, startScriptedBroker, type ScriptedBroker } from './scripted-broker.ts';
import { startTsuru, type LocalTsuru } from './server.ts';
import { demoApp } from './worlds.ts';

type Sender = 'admin' | 'broker' | 'instance' | 'nobody';

/** Who sends what: from each place in the recording until the next. The tokens are made on the way. */
const SENDERS: readonly (readonly [from: number, sender: Sender])[] = [
  [0, 'admin'],
  [26, 'broker'],
  [42, 'instance'],
  [43, 'broker'],
  [56, 'instance'],
  [60, 'broker'],
  [62, 'instance'],
  [66, 'nobody'],
  [67, 'instance'],
  [69, 'admin'],
  [70, 'broker'],
  [71, 'admin'],
  [72, 'broker'],
  [81, 'instance'],
  [82, 'broker'],
  [86, 'admin'],
  [87, 'broker'],
  [96, 'instance'],
  [97, 'broker'],
  [101, 'instance'],
  [102, 'broker'],
];

const AT_ONCE = 'role assign, several at once (some are refused)';

const exchanges = await readExchanges();

describe('the local Tsuru answers as the recorded one:', () => {
  const tokens = new Map<string, string>();
  let tsuru: LocalTsuru;
  let broker: ScriptedBroker;
  before(async () => {
    broker = await startScriptedBroker(() => ({ status: 201, body: '{}' }));
    // Long enough for requests at the same time to meet a role's lock.
    tsuru = await startTsuru({ images: demoApp(), units: 'recorded', locks: { holdMs: 20 } });
    tsuru.addService(serviceOf(broker));
    tokens.set('<admin-token>', tsuru.adminToken);
  });
  after(async () => {
    await tsuru.close();
    await broker.close();
  });

  for (const [index, exchange] of exchanges.entries()) {
    const { name } = exchange;
    if (name !== AT_ONCE) {
      it(`${index} ${name}`, async () => {
        await prepare(tsuru, tokens, index);
        const reply = await send(tsuru, tokens, index, exchange);
        assert.deepEqual(differences(filledIn(exchange, tokens).response, reply), [], reply.body);
      });
    } else if (exchanges[index - 1]?.name !== AT_ONCE) {
      it(`${index} ${name}`, () => sendAtOnce(tsuru, tokens, index));
    }
  }
});

/** What happened between two recorded exchanges, and was not recorded itself. */
async function prepare(tsuru: LocalTsuru, tokens: Map<string, string>, index: number): Promise<void> {
  if (index === 56) await bindAsRecorded(createClient(tsuru.url, tsuru.adminToken));
  if (index === 67) tsuru.faults.add({ kind: 'units-unknown' });
  if (index === 69) tsuru.faults.clear();
  if (index === 70) await untilUnitsSpoke(tsuru, 'prometheus-my-instance');
  if (index === 98) {
    const broker = clientOf(tsuru, tokens, 'broker');
    const name = 'prometheus-again';
    await broker.call('POST', '/1.0/apps', { json: { name, teamOwner: 'shop', pool: 'dev', plan: 'c0.3m0.5' } });
    const created = await broker.call('POST', '/1.6/tokens', { form: { token_id: name, team: 'shop' } });
    keepToken(tokens, created);
    await broker.call('POST', '/1.6/roles/prometheus-self/token', { form: { token_id: name, context: name } });
  }
}

/** What the commands of test/recorded/cli.json did meanwhile, with another broker. */
async function bindAsRecorded(admin: Client): Promise<void> {
  const instances = '/1.0/services/prometheus/instances';
  const parameters = { 'parameters.bind_env': 'true', 'parameters.retention': '60d' };
  const full = {
    name: 'full',
    plan: 'large',
    owner: 'shop',
    description: 'all of it',
    tag: ['a=b', 'c'],
    ...parameters,
  };
  await expect(admin.call('POST', instances, { form: { name: 'my-instance', owner: 'shop' } }), 201);
  await expect(admin.call('POST', instances, { form: full }), 201);
  await expect(admin.call('PUT', '/1.13/services/prometheus/instances/my-instance/apps/my-app'), 200);
}

/** The demo app's last words at its start may be on their way when it already answers. */
async function untilUnitsSpoke(tsuru: LocalTsuru, app: string): Promise<void> {
  const admin = createClient(tsuru.url, tsuru.adminToken);
  await until('the log of a unit', async () =>
    (await admin.call('GET', `/1.0/apps/${app}/log?lines=1`)).body.includes('Serving HTTP'),
  );
}

/** Each answer is one of the recorded ones, and there is one of each kind. */
async function sendAtOnce(tsuru: LocalTsuru, tokens: Map<string, string>, first: number): Promise<void> {
  const group = exchanges.slice(first).filter(({ name }) => name === AT_ONCE);
  const replies = await Promise.all(group.map((exchange, i) => send(tsuru, tokens, first + i, exchange)));
  const [accepted, refused] = [200, 500].map((status) => group.find(({ response }) => response.status === status));
  assert.ok(accepted !== undefined && refused !== undefined);
  const kinds = replies.map((reply) =>
    [accepted, refused].findIndex(({ response }) => differences(response, reply).length === 0),
  );
  assert.deepEqual([...new Set(kinds)].sort(), [0, 1], JSON.stringify(replies));
}

async function send(tsuru: LocalTsuru, tokens: Map<string, string>, index: number, exchange: Exchange): Promise<Reply> {
  const { method, path, json, form } = filledIn(exchange, tokens).request;
  const body = json !== undefined ? { json: writtenJson(json) } : form === undefined ? undefined : { form };
  const reply = await clientOf(tsuru, tokens, senderOf(index)).call(method, path, body);
  keepToken(tokens, reply);
  return reply;
}

function keepToken(tokens: Map<string, string>, { status, body }: Reply): void {
  if (status > 201 || !body.startsWith('{"token"')) return;
  const { token, token_id: id } = JSON.parse(body) as { token: string; token_id: string };
  tokens.set(id === 'prometheus-broker' ? '<broker-token>' : '<instance-token>', token);
}

function senderOf(index: number): Sender {
  return SENDERS.findLast(([from]) => from <= index)?.[1] ?? 'admin';
}

function clientOf(tsuru: LocalTsuru, tokens: ReadonlyMap<string, string>, sender: Sender): Client {
  return createClient(tsuru.url, tokens.get(`<${sender}-token>`) ?? 'nosuchtoken');
}
