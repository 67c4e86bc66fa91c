import assert from 'node:assert/strict';
import { chmod, link, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { measureFolder, readHeadBytes, sizeOfFolder } from '../../../agent/storage/data-folder.ts';
import { readVolume } from '../../../agent/storage/volume.ts';
import { temporaryFolder } from '../../support/folder.ts';

const KIB = 1024;
/** Anybody but root, for whom nothing is unreadable. */
const NOBODY = 65_534;

/** Does something as a user who may not read everything. The whole process is that user meanwhile. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

describe('the size of a data folder', () => {
  it('is that of what can be read, beside a sub-folder that cannot, which is named', async () => {
    await using folder = await temporaryFolder();
    await chmod(folder.path, 0o755);
    await mkdir(join(folder.path, 'block'));
    await writeFile(join(folder.path, 'block', 'index'), Buffer.alloc(80 * KIB, 1));
    await mkdir(join(folder.path, 'lost+found'), { mode: 0o700 });
    await writeFile(join(folder.path, 'lost+found', 'file'), Buffer.alloc(40 * KIB, 1));
    const { bytes, problem } = await asNobody(() => measureFolder(folder.path));
    assert.equal(bytes, 80 * KIB);
    assert.match(problem ?? '', /^failed to read the size of \S+\/lost\+found \(EACCES/);
    const disk = { type: 0xef53, bsize: 4096, blocks: 1_000, bfree: 100, bavail: 100 };
    const volume = await asNobody(() => readVolume(folder.path, () => Promise.resolve(disk)));
    assert.equal(volume.usedBytes, 80 * KIB);
    assert.equal(volume.problem, problem);
    assert.equal((await measureFolder(folder.path)).bytes, 120 * KIB);
  });

  it('is unknown, not 0, where that of a part is asked for that cannot be read', async () => {
    await using folder = await temporaryFolder();
    await chmod(folder.path, 0o755);
    await mkdir(join(folder.path, 'wal'), { mode: 0o700 });
    await asNobody(async () => {
      await assert.rejects(readHeadBytes(folder.path), /EACCES/);
      await assert.rejects(sizeOfFolder(join(folder.path, 'wal')), /EACCES/);
    });
  });

  it('is never less than what stays while blocks come and go', async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'stays'));
    await writeFile(join(folder.path, 'stays', 'index'), Buffer.alloc(64 * KIB, 1));
    const over = new AbortController();
    const churn = (async () => {
      for (let index = 0; !over.signal.aborted; index++) {
        const block = join(folder.path, `block-${index % 7}`);
        await mkdir(join(block, 'chunks'), { recursive: true });
        await writeFile(join(block, 'chunks', '000001'), 'x');
        await rename(block, `${block}.tmp-for-deletion`);
        await rm(`${block}.tmp-for-deletion`, { recursive: true });
      }
    })();
    for (let look = 0; look < 300; look++) {
      const { bytes, problem } = await measureFolder(folder.path);
      assert.ok(bytes >= 64 * KIB, `${bytes}`);
      assert.equal(problem, undefined);
      assert.ok((await sizeOfFolder(folder.path)) >= 64 * KIB);
    }
    over.abort();
    await churn;
  });

  it('is 0 of a folder that is missing', async () => {
    await using folder = await temporaryFolder();
    assert.deepEqual(await measureFolder(join(folder.path, 'missing')), { bytes: 0, files: 0 });
    assert.equal(await sizeOfFolder(join(folder.path, 'missing')), 0);
  });

  it('counts a file with two names once', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'one'), Buffer.alloc(64 * KIB, 1));
    await link(join(folder.path, 'one'), join(folder.path, 'two'));
    assert.equal((await measureFolder(folder.path)).bytes, 64 * KIB);
  });
});
