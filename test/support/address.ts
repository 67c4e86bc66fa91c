import { randomInt } from 'node:crypto';

/**
 * A loopback address of its own for a server of a test, so that tests in parallel never want the same port: each of 127.0.0.0/8 can be
 * bound. 127.0 and 127.1 are left to others.
 */
export function freeAddress(): string {
  return `127.${randomInt(2, 250)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
}
