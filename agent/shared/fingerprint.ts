import { createHash } from 'node:crypto';

/** Enough to tell two tokens apart, and far too few to find a token by. */
const CHARACTERS = 8;

/** Returns whether two sides have the same token without either telling it. Only for tokens that a machine made: a chosen word could be guessed. */
export function fingerprintOf(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, CHARACTERS);
}
