import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The unit of a file's blocks, whatever the filesystem's. */
const BYTES_PER_BLOCK = 512;

/**
 * What WAL and head chunks take of the volume. Prometheus 3 tells it in its metrics, 2.42 does not, so that the folders are looked at; what
 * vanishes meanwhile counts as nothing.
 */
export async function readHeadBytes(dataFolder: string): Promise<number> {
  const sizes = await Promise.all(['wal', 'chunks_head', 'wbl'].map((name) => sizeOfFolder(join(dataFolder, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** What is allocated for the files of a folder and those below, not how long they are: a head chunk's is long and hollow. */
export async function sizeOfFolder(path: string): Promise<number> {
  const names = await readdir(path, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(path, name)).then(
        (found) => (found.isFile() ? found.blocks * BYTES_PER_BLOCK : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
