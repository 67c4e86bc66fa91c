import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../system/files.ts';
import { measureFolder } from './data-folder.ts';

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
  /** Why more of it may be taken; undefined when all of it is known. */
  readonly problem?: string;
}

/** The answer of statfs, as Node has it. */
export type StatVolume = (path: string) => Promise<{
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  /** How many files there can be, and how many more; 0 of 0 where there is no limit. */
  readonly files?: number;
  readonly ffree?: number;
}>;

/**
 * The volume that a folder is on, or will be once it is made.
 * @throws the file system's error.
 */
export async function readVolume(folder: string, stat: StatVolume = statfs): Promise<Volume> {
  const { type, bsize, blocks, bfree, bavail } = await statNearest(folder, stat);
  const hasSize = blocks > 0;
  if (type === TMPFS || type === RAMFS)
    return { kind: 'tmpfs', sizeBytes: hasSize ? blocks * bsize : undefined, usedBytes: (blocks - bfree) * bsize };
  // A disk may be full of what is others': what they take is not for the data, and deleting blocks does not bring it back.
  const { bytes: usedBytes, problem } = await measureFolder(folder);
  return {
    kind: 'disk',
    sizeBytes: hasSize ? usedBytes + bavail * bsize : undefined,
    usedBytes,
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Of the folder, or of the nearest one above it that there is. */
export async function statNearest(folder: string, stat: StatVolume): ReturnType<StatVolume> {
  try {
    return await stat(folder);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(folder) === folder) throw error;
    return statNearest(dirname(folder), stat);
  }
}
