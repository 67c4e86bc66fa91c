import { createHash, timingSafeEqual } from 'node:crypto';

/** The user and password of HTTP's basic authentication. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export type Verdict = 'right' | 'wrong' | 'none';

/** Of an instance's challenge: the broker reports by it that the instance, and nothing before it, rejected the password. */
export const INSTANCE_REALM = 'realm="Prometheus"';
export const INSTANCE_CHALLENGE = { 'www-authenticate': `Basic ${INSTANCE_REALM}, charset="UTF-8"` };

/** The `Authorization` header with these credentials. */
export function basicHeader(credentials: Credentials): string {
  return `Basic ${encodeCredentials(credentials)}`;
}

/** Both as one text, the way a header has them. */
export function encodeCredentials({ username, password }: Credentials): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}

/**
 * Checks `Authorization` headers against the one user. Only a hash of what is right is kept, and hashes are compared in constant time.
 * @throws when there is no user or no password, or when no header could hold them.
 */
export function createCheck({ username, password }: Credentials): (header: string | undefined) => Verdict {
  if (username === '' || password === '') throw new Error('A user and a password are needed: one of them is empty.');
  if (username.includes(':')) throw new Error('The user must be without ":", which ends it in a header.');
  const right = hashOf(Buffer.from(`${username}:${password}`));
  return (header) => {
    if (header === undefined) return 'none';
    const given = /^basic +([A-Za-z0-9+/_-]+={0,2}) *$/i.exec(header)?.[1];
    return given !== undefined && timingSafeEqual(hashOf(Buffer.from(given, 'base64')), right) ? 'right' : 'wrong';
  };
}

function hashOf(text: Buffer): Buffer {
  return createHash('sha256').update(text).digest();
}
