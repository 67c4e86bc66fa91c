import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readVolume, type StatVolume } from '../../../agent/storage/volume.ts';
import { temporaryFolder } from '../../support/folder.ts';

const EXT4 = 0xef53;
const TMPFS = 0x0102_1994;

function stat(type: number, blocks: number, bfree: number, bavail: number): StatVolume {
  return () => Promise.resolve({ type, bsize: 4096, blocks, bfree, bavail });
}

describe('the volume of a folder', () => {
  it('is a tmpfs with its size', async () => {
    const volume = await readVolume('/data', stat(TMPFS, 16_384, 10_000, 10_000));
    assert.deepEqual(volume, { kind: 'tmpfs', sizeBytes: 64 * 2 ** 20, usedBytes: 6_384 * 4096 });
  });

  it('is a disk with what is free, less what is kept for root, and what the folder itself takes', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'block'), Buffer.alloc(8192));
    const volume = await readVolume(folder.path, stat(EXT4, 1_000, 400, 350));
    assert.deepEqual(volume, { kind: 'disk', sizeBytes: 352 * 4096, usedBytes: 2 * 4096 });
  });

  it('has no size that is known when it is a tmpfs without one', async () => {
    const volume = await readVolume('/data', stat(TMPFS, 0, 0, 0));
    assert.deepEqual(volume, { kind: 'tmpfs', sizeBytes: undefined, usedBytes: 0 });
  });

  it('is that of the folder above while the folder itself is not made', async () => {
    await using folder = await temporaryFolder();
    const above = await readVolume(folder.path);
    const { kind, sizeBytes } = await readVolume(join(folder.path, 'not', 'made'));
    assert.equal(kind, above.kind);
    assert.ok(sizeBytes !== undefined && sizeBytes > 0);
  });
});
