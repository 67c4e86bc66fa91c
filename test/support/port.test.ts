import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { it } from 'node:test';
import { freePort } from './port.ts';

it('a free port takes another port than the preferred one while somebody listens there, and that one afterwards', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  assert.ok(address !== null && typeof address !== 'string');
  const other = await freePort(address.port);
  assert.notEqual(other, address.port);
  taken.close();
  await once(taken, 'close');
  assert.equal(await freePort(address.port), address.port);
});
