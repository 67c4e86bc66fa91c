import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../system/files.ts';

const MODE = 0o600;

/** Where the users of this instance find it, as Tsuru last reported; kept on disk, so that a start without Tsuru needs no restart later. */
export interface OwnAddress {
  readonly url: () => string | undefined;
  restore(): Promise<void>;
  /** Takes what Tsuru reports, '' for nothing. Returns what is wrong with it. */
  offer(address: string): Promise<string | undefined>;
}

export function createOwnAddress(dataFolder: string): OwnAddress {
  const path = join(dataFolder, 'address');
  let url: string | undefined;
  return {
    url: () => url,
    async restore() {
      url = urlOf(await readFile(path, 'utf8').catch(() => ''));
    },
    async offer(address) {
      if (address === '') return undefined;
      const next = urlOf(address);
      if (next === undefined)
        return `Tsuru lists ${JSON.stringify(address)} as the address of this instance, which is invalid`;
      if (next === url) return undefined;
      url = next;
      // A disk that fails costs a restart of Prometheus, and is reported elsewhere.
      const temporary = join(dataFolder, 'tmp', 'address');
      await writeWhole({ temporary, path, text: next, mode: MODE }).catch(() => undefined);
      return undefined;
    },
  };
}

/** Tsuru reports most routers' addresses without a scheme. */
function urlOf(address: string): string | undefined {
  if (address === '') return undefined;
  const url = URL.parse(address.includes('://') ? address : `http://${address}`);
  return url === null || !['http:', 'https:'].includes(url.protocol) ? undefined : url.href;
}
