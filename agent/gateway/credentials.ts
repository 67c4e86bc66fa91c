import { createHash, timingSafeEqual } from 'node:crypto';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export type Verdict = 'right' | 'wrong' | 'none';

/**
 * Checks `Authorization` headers against the one user. Only a hash of what is right is kept, and hashes are compared in constant time.
 * @throws when there is no user or no password, or when no header could hold them.
 */
export function createCheck({ username, password }: Credentials): (header: string | undefined) => Verdict {
  if (username === '' || password === '')
    throw new Error('The gateway needs a user and a password: one of them is empty.');
  if (username.includes(':'))
    throw new Error('The user of the gateway must be without ":", which ends it in a header.');
  const right = hashOf(Buffer.from(`${username}:${password}`));
  return (header) => {
    const encoded = /^basic +([A-Za-z0-9+/_-]+={0,2}) *$/i.exec(header ?? '')?.[1];
    if (header === undefined) return 'none';
    return encoded !== undefined && timingSafeEqual(hashOf(Buffer.from(encoded, 'base64')), right) ? 'right' : 'wrong';
  };
}

function hashOf(text: Buffer): Buffer {
  return createHash('sha256').update(text).digest();
}
