import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * Checks `Authorization: Bearer TOKEN` headers against the one token. Hashes are compared, in constant time.
 * @throws when the token is empty.
 */
export function createTokenCheck(token: string): (header: string | undefined) => boolean {
  if (token === '') throw new Error('A token is needed: it is empty.');
  const right = hashOf(token);
  return (header) => {
    const given = /^bearer +(\S+) *$/i.exec(header ?? '')?.[1];
    return given !== undefined && timingSafeEqual(hashOf(given), right);
  };
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
