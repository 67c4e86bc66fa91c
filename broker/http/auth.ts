import { createHash, timingSafeEqual } from 'node:crypto';

export interface BasicAuth {
  readonly username: string;
  readonly password: string;
}

/** Whether a header names this user and password, in a time that tells nothing of how much of them was right. */
export function isAuthorized(header: string | undefined, { username, password }: BasicAuth): boolean {
  const given = /^basic +([a-z0-9+/]+=*) *$/i.exec(header ?? '')?.[1] ?? '';
  const expected = Buffer.from(`${username}:${password}`).toString('base64');
  // Digests have one length, whatever was given.
  return timingSafeEqual(digest(Buffer.from(given, 'base64')), digest(Buffer.from(expected, 'base64')));
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
