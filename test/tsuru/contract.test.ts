import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'node:test';
import { createClient, type Client, type Reply } from './client.ts';
import { demoImages } from './images.ts';
import { differences, filledIn, readExchanges, writtenJson, type Exchange } from './recording.ts';
import { startTsuru, type LocalTsuru } from './server.ts';

const DEMO_APP = fileURLToPath(new URL('../app/main.ts', import.meta.url));
/** Long enough for a role's lock to be met by requests at the same time, in ms. */
const LOCK_MS = 20;

type Sender = 'admin' | 'broker' | 'instance' | 'nobody';

/** Who sent what: from each index (in the recording) on, until the next. */
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
  [96, 'instance'],
  [97, 'broker'],
  [101, 'instance'],
  [102, 'broker'],
];

const VOLUMES = 'volumes come with a later issue';
const SERVICES = 'services and their instances come with a later issue';
/** What is not there yet, by name: where the answer differs from the recorded one, and why. */
const NOT_YET: Readonly<Record<string, { readonly why: string; readonly at: readonly string[] }>> = {
  'volume plans': { why: VOLUMES, at: ['status', 'contentType', 'body'] },
};

const exchanges = await readExchanges();

describe('the local Tsuru answers as the recorded one', () => {
  const tokens = new Map([['<nobody-token>', 'nosuchtoken']]);
  let tsuru: LocalTsuru;
  before(async () => {
    tsuru = await startTsuru({ images: demoImages([process.execPath, DEMO_APP]), locks: { holdMs: LOCK_MS } });
    tokens.set('<admin-token>', tsuru.adminToken);
  });
  after(() => tsuru.close());

  for (const [index, exchange] of exchanges.entries()) {
    it(`${index} ${exchange.name}`, async () => {
      const reply = await send(tsuru, tokens, index, exchange);
      console.log(index, exchange.name, differences(filledIn(exchange, tokens).response, reply));
    });
  }
});

async function send(tsuru: LocalTsuru, tokens: Map<string, string>, index: number, exchange: Exchange): Promise<Reply> {
  const { request } = filledIn(exchange, tokens);
  const client = clientOf(tsuru, tokens, senderOf(index));
  const body =
    request.json !== undefined
      ? { json: writtenJson(request.json) }
      : request.form === undefined
        ? undefined
        : { form: request.form };
  const reply = await client.call(request.method, request.path, body);
  const { token, token_id: id } = reply.body.startsWith('{"token"')
    ? (JSON.parse(reply.body) as Record<string, string>)
    : {};
  if (token !== undefined) tokens.set(id === 'prometheus-broker' ? '<broker-token>' : '<instance-token>', token);
  return reply;
}

function senderOf(index: number): Sender {
  return SENDERS.findLast(([from]) => from <= index)?.[1] ?? 'admin';
}

function clientOf(tsuru: LocalTsuru, tokens: ReadonlyMap<string, string>, sender: Sender): Client {
  return createClient(tsuru.url, tokens.get(`<${sender}-token>`) ?? '');
}
