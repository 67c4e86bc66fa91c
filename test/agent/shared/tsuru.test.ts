import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { it } from 'node:test';
import { createTsuruClient, TsuruError } from '../../../agent/shared/tsuru.ts';
import { freeAddress } from '../../support/address.ts';

it('an answer that falls silent is given up long before its whole time is over, and one that goes on is not', async () => {
  const host = freeAddress();
  const server = createServer((request, response) => {
    response.write('---- Building image ----\n');
    if (request.url === '/silent') return;
    const talk = setInterval(() => response.write('please wait...\n'), 100);
    setTimeout(() => {
      clearInterval(talk);
      response.end('OK\n');
    }, 1_500);
  }).listen(8080, host);
  await once(server, 'listening');
  const client = createTsuruClient({ url: new URL(`http://${host}:8080`), token: 'a-token' });
  try {
    const ask = (path: string) =>
      client.send('deploy', { method: 'POST', path, timeoutMs: 600_000, quietMs: 1_000 }, new AbortController().signal);
    const { chunks } = await ask('/talking');
    assert.match(Buffer.concat(chunks).toString(), /\nOK\n$/);
    await assert.rejects(ask('/silent'), (error) => error instanceof TsuruError && error.failure === 'timeout');
  } finally {
    await client.close();
    server.closeAllConnections();
    server.close();
  }
});
