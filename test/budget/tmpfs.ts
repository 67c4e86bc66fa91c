import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { temporaryFolder } from '../support/folder.ts';

const run = promisify(execFile);

/** A tmpfs of its own of that size, and with room for this many files, unmounted and gone after use. Needs root. */
export async function temporaryTmpfs(
  sizeBytes: number,
  { files }: { readonly files?: number } = {},
): Promise<{ readonly path: string; [Symbol.asyncDispose](): Promise<void> }> {
  const folder = await temporaryFolder();
  try {
    const inodes = files === undefined ? '' : `,nr_inodes=${files}`;
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}${inodes}`, 'prometheus-as-a-service', folder.path]);
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw new Error('a tmpfs could not be mounted: are you root?', { cause: error });
  }
  return {
    path: folder.path,
    async [Symbol.asyncDispose]() {
      await run('umount', ['--lazy', folder.path]);
      await folder[Symbol.asyncDispose]();
    },
  };
}
