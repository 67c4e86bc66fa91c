import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../system/files.ts';
import { errorText, listNames } from '../shared/text.ts';

/** The unit of a file's blocks, whatever the filesystem's. */
const BYTES_PER_BLOCK = 512;

/** What a folder takes of its volume. */
export interface FolderSize {
  readonly bytes: number;
  /** How many files and folders it has, itself included. */
  readonly files: number;
  /** Why it may take more: what could not be read is not in the sum. */
  readonly problem?: string;
}

/**
 * What WAL and head chunks take of the volume. Prometheus 3 tells it in its metrics, 2.42 does not, so that the folders are looked at; what
 * vanishes meanwhile counts as nothing.
 * @throws the file system's error, when a part of them cannot be read.
 */
export async function readHeadBytes(dataFolder: string): Promise<number> {
  const sizes = await Promise.all(['wal', 'chunks_head', 'wbl'].map((name) => sizeOfFolder(join(dataFolder, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * What is allocated for the files of a folder and those below, not how long they are: a head chunk's is long and hollow. A missing folder, or a
 * file that vanishes meanwhile, counts as nothing.
 * @throws the file system's error, when a part of it cannot be read.
 */
export async function sizeOfFolder(path: string): Promise<number> {
  const { bytes } = await walk(path, {
    onError(_part, error) {
      throw error;
    },
    sharesLinks: false,
  });
  return bytes;
}

/** What a folder takes of its volume: a file with two names in it counts once. What cannot be read is left out and named. */
export async function measureFolder(path: string): Promise<FolderSize> {
  const unreadable: string[] = [];
  const size = await walk(path, {
    onError(part, error) {
      unreadable.push(`${part} (${errorText(error)})`);
    },
    sharesLinks: true,
  });
  if (unreadable.length === 0) return size;
  return { ...size, problem: `failed to read the size of ${listNames(unreadable, 1)}` };
}

interface WalkOptions {
  readonly onError: (path: string, error: unknown) => void;
  /** Whether each name of a file counts as its part of it. */
  readonly sharesLinks: boolean;
}

type Size = Pick<FolderSize, 'bytes' | 'files'>;

const NOTHING: Size = { bytes: 0, files: 0 };

async function walk(path: string, options: WalkOptions): Promise<Size> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const sizes = await Promise.all(
      entries.map(async (entry) => {
        const inside = join(path, entry.name);
        if (entry.isDirectory()) return walk(inside, options);
        return entry.isFile() ? sizeOfFile(inside, options) : NOTHING;
      }),
    );
    const sum = (of: keyof Size): number => sizes.reduce((total, size) => total + size[of], 0);
    return { bytes: sum('bytes'), files: sum('files') + 1 };
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') options.onError(path, error);
    return NOTHING;
  }
}

async function sizeOfFile(path: string, { onError, sharesLinks }: WalkOptions): Promise<Size> {
  try {
    const { blocks, nlink } = await lstat(path);
    return { bytes: (blocks * BYTES_PER_BLOCK) / (sharesLinks ? Math.max(1, nlink) : 1), files: 1 };
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') onError(path, error);
    return NOTHING;
  }
}
