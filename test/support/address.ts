import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A loopback address of its own for a server of a test, so that tests in parallel never want the same port: each of 127.0.0.0/8 can be
 * bound. 127.0 and 127.1 are left to others.
 */
export function freeAddress(): string {
  return `127.${randomInt(2, 250)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
}

/**
 * `host:port` of a loopback address, with a port on which nobody listens: a Debian package starts its server on all addresses when it is
 * installed, and takes that server's usual port from each of them.
 */
export async function freeHostPort(): Promise<string> {
  const host = freeAddress();
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error(`${host} has no free port`);
  return `${host}:${address.port}`;
}
