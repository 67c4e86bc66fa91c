import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, makeFolder } from '../../system/files.ts';

/** A folder belongs to another user: no retry helps. */
export class FolderNotWritable extends Error {
  override readonly name = 'FolderNotWritable';
}

/**
 * Makes a folder that is missing. Any other error than the lack of permission is left to whoever writes there, as it may pass: a full or a
 * broken disk.
 * @throws {FolderNotWritable} with what is wrong and what to do.
 */
export async function makeWritable(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (errorCode(error) === 'EACCES') throw new FolderNotWritable(await reason(folder), { cause: error });
  }
}

async function reason(folder: string): Promise<string> {
  const user = `user ${process.getuid?.()}`;
  const { path, uid, mode } = await nearest(folder);
  const permissions = (mode & 0o7777).toString(8).padStart(4, '0');
  return (
    `${folder} cannot be written by ${user}: ${path} belongs to user ${uid} with mode ${permissions}. ` +
    `Choose a plan whose storage is tmpfs, or a disk that ${user} may write.`
  );
}

/** The folder, or the first above it that exists. */
async function nearest(path: string): Promise<{ readonly path: string; readonly uid: number; readonly mode: number }> {
  try {
    const { uid, mode } = await stat(path);
    return { path, uid, mode };
  } catch (error) {
    if (path === '/') throw error;
    return nearest(dirname(path));
  }
}
