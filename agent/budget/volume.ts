import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sizeOfFolder } from './data-folder.ts';
import { errorCode } from '../files.ts';

/** What statfs says of a tmpfs, and of a ramfs, which is one without a size (linux/magic.h). */
const TMPFS = 0x0102_1994;
const RAMFS = 0x8584_58f6;

/** The volume behind a folder. */
export interface Volume {
  readonly kind: 'tmpfs' | 'disk';
  /** What the data can take in all; undefined when the volume has no size of its own. */
  readonly sizeBytes: number | undefined;
  /** All of a tmpfs that is taken; of a disk what the folder takes. */
  readonly usedBytes: number;
}

/** What statfs tells, as Node has it. */
export type StatVolume = (path: string) => Promise<{
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
}>;

/**
 * The volume that a folder is on, or will be once it is made.
 * @throws the file system's error.
 */
export async function readVolume(folder: string, stat: StatVolume = statfs): Promise<Volume> {
  try {
    const { type, bsize, blocks, bfree, bavail } = await stat(folder);
    if (type === TMPFS || type === RAMFS)
      return {
        kind: 'tmpfs',
        sizeBytes: blocks === 0 ? undefined : blocks * bsize,
        usedBytes: (blocks - bfree) * bsize,
      };
    // A disk may be full of what is others': what they take is not for the data, and deleting blocks does not bring it back.
    const usedBytes = await sizeOfFolder(folder);
    return { kind: 'disk', sizeBytes: blocks === 0 ? undefined : usedBytes + bavail * bsize, usedBytes };
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(folder) === folder) throw error;
    return readVolume(dirname(folder), stat);
  }
}
