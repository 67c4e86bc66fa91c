import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** What a data folder of Prometheus takes at a moment, in bytes. */
export interface Usage {
  /** Of the whole volume. */
  readonly used: number;
  readonly wal: number;
  readonly headChunks: number;
  readonly blocks: number;
  readonly blockCount: number;
  /** Blocks that are being written. */
  readonly temporary: number;
}

/** The name of a block: a ULID. */
const BLOCK = /^[0-9A-Z]{26}$/;

export async function usageOf(volume: string, data: string): Promise<Usage> {
  const { blocks: total, bfree, bsize } = await statfs(volume);
  let blocks = 0;
  let blockCount = 0;
  let temporary = 0;
  for (const name of await readdir(data).catch(() => [])) {
    if (BLOCK.test(name)) {
      blocks += await sizeOf(join(data, name));
      blockCount += 1;
    } else if (name.includes('.tmp')) temporary += await sizeOf(join(data, name));
  }
  const wal = await sizeOf(join(data, 'wal'));
  const headChunks = await sizeOf(join(data, 'chunks_head'));
  return { used: (total - bfree) * bsize, wal, headChunks, blocks, blockCount, temporary };
}

/** What is allocated, not how long the files are; what vanishes meanwhile counts as nothing. */
async function sizeOf(path: string): Promise<number> {
  const names = await readdir(path, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(path, name)).then(
        (found) => (found.isFile() ? found.blocks * 512 : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
