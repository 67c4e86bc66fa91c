import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface WholeFile {
  /** Where the file is made; it must be on the filesystem of its final place. */
  readonly temporary: string;
  readonly path: string;
  readonly text: string;
  readonly mode: number;
  /** Its time of change in whole seconds since 1970, if it is to have a certain one. */
  readonly mtimeSeconds?: number;
}

/**
 * Writes a file so that at any moment, also after a crash, its path has either the old or the new text, whole: made beside, flushed, and
 * renamed. Folders that are missing are made.
 * @throws the file system's error; then the old file is as it was.
 */
export async function writeWhole({ temporary, path, text, mode, mtimeSeconds }: WholeFile): Promise<void> {
  await makeFolder(dirname(temporary));
  await makeFolder(dirname(path));
  try {
    const file = await open(temporary, 'w', mode);
    try {
      await file.writeFile(text);
      // The umask has its say in open's mode.
      await file.chmod(mode);
      if (mtimeSeconds !== undefined) await file.utimes(mtimeSeconds, mtimeSeconds);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // What was half made takes room on a full disk; the error that counts is the first.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

/** With its parents, as mkdir's own `recursive` does, which says ENOENT where a read-only disk says EROFS. */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const code = errorCode(error);
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT') throw error;
    await makeFolder(dirname(path));
    await mkdir(path, { mode });
  }
}

/** The names in a folder; none if there is no such folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** A rename is only sure to survive a power cut once its folder is flushed. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The code of a system error, such as ENOENT. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
