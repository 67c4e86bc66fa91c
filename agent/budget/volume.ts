import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../files.ts';

/** What statfs says of a tmpfs, and of a ramfs, which is one without a size (linux/magic.h). */
const TMPFS = 0x0102_1994;
const RAMFS = 0x8584_58f6;

/** The volume behind a folder. */
export interface Volume {
  readonly kind: 'tmpfs' | 'disk';
  /** What can be written in all; undefined when the volume has no size of its own. */
  readonly sizeBytes: number | undefined;
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
    const isMemory = type === TMPFS || type === RAMFS;
    const usedBytes = (blocks - bfree) * bsize;
    return {
      kind: isMemory ? 'tmpfs' : 'disk',
      // Some of a disk is kept for root alone.
      sizeBytes: blocks === 0 ? undefined : usedBytes + bavail * bsize,
      usedBytes,
    };
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(folder) === folder) throw error;
    return readVolume(dirname(folder), stat);
  }
}
