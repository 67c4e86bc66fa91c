import { readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { sizeOfFolder } from '../../agent/storage/data-folder.ts';

/** What a data folder of Prometheus takes at a moment, in bytes. */
export interface Usage {
  /** Of the whole volume. */
  readonly used: number;
  readonly wal: number;
  readonly headChunks: number;
  /** The log of samples out of order. */
  readonly wbl: number;
  readonly blocks: number;
  readonly blockCount: number;
  /** The largest block. */
  readonly block: number;
  /** Blocks that are being written. */
  readonly temporary: number;
}

/** The name of a block: a ULID. */
const BLOCK = /^[0-9A-Z]{26}$/;

export async function usageOf(volume: string, data: string): Promise<Usage> {
  const { blocks: total, bfree, bsize } = await statfs(volume);
  let blocks = 0;
  let blockCount = 0;
  let block = 0;
  let temporary = 0;
  for (const name of await readdir(data).catch(() => [])) {
    if (BLOCK.test(name)) {
      const size = await sizeOfFolder(join(data, name));
      blocks += size;
      block = Math.max(block, size);
      blockCount += 1;
    } else if (name.includes('.tmp')) temporary += await sizeOfFolder(join(data, name));
  }
  const wal = await sizeOfFolder(join(data, 'wal'));
  const headChunks = await sizeOfFolder(join(data, 'chunks_head'));
  const wbl = await sizeOfFolder(join(data, 'wbl'));
  return { used: (total - bfree) * bsize, wal, headChunks, wbl, blocks, blockCount, block, temporary };
}
