// What several tests of this folder start from.
import { fileURLToPath } from 'node:url';
import { createClient, type Client } from './client.ts';
import { demoImages, type Images } from './images.ts';
import { startTsuru, type LocalTsuru, type TsuruOptions } from './server.ts';

const DEMO_APP = fileURLToPath(new URL('../app/main.ts', import.meta.url));

/** Images of the demo app: real processes. */
export function demoApp(): Images {
  return demoImages([process.execPath, DEMO_APP]);
}

/** Images whose units are only listed: for tests that ask none of them anything. */
export function listedOnly(): Images {
  return (name) => ({
    processes: name.includes('worker') ? { web: 'nothing', worker: 'nothing' } : { web: 'nothing' },
  });
}

/** Runs a test with a local Tsuru and its administrator, and ends what it started. */
export async function withTsuru(
  options: Partial<TsuruOptions>,
  test: (tsuru: LocalTsuru, admin: Client) => Promise<void>,
): Promise<void> {
  const tsuru = await startTsuru({ images: listedOnly(), ...options });
  try {
    await test(tsuru, createClient(tsuru.url, tsuru.adminToken));
  } finally {
    await tsuru.close();
  }
}
