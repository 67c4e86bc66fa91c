import { readdir, readFile, rename, rm, stat as statFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../system/files.ts';
import { SET_ASIDE } from './set-aside.ts';
import { compareText, errorText } from '../shared/text.ts';
import {
  describeRemoved,
  describeShort,
  hasRoom,
  isFull,
  removalOrder,
  wouldHelp,
  type DataFolderContent,
  type FreeSpace,
  type Removable,
} from './removal.ts';
import { measureFolder } from './data-folder.ts';
import { statNearest, type StatVolume } from './volume.ts';

/** What Prometheus makes or deletes, and deletes at its next start. */
const TEMPORARY = /\.tmp(-for-creation|-for-deletion)?$/;
const DELETED = '.tmp-for-deletion';
/** The folder of a block: a ULID. */
const BLOCK = /^[0-9A-HJKMNP-TV-Z]{26}$/;

export interface FreeOptions {
  /** Prometheus' data folder. No Prometheus may run on it. */
  readonly storageFolder: string;
  /** The agent's own folder, which may be on another volume. */
  readonly dataFolder: string;
  /** Whether the agent has just started: what lies in its folder for temporary files is of an earlier one then. */
  readonly isStart: boolean;
  readonly stat?: StatVolume;
}

/** What came of it: sentences. */
export interface FreeOutcome {
  readonly lost: readonly string[];
  /** Why there is still too little room. */
  readonly short: readonly string[];
}

/**
 * Makes room on full volumes, so that the agent and its Prometheus can start: deletes what is theirs, and only as much as is needed. Never
 * rejects.
 */
export async function makeRoom({ storageFolder, dataFolder, isStart, stat }: FreeOptions): Promise<FreeOutcome> {
  const leftovers = async (): Promise<Removable[]> =>
    isStart ? (await pathsIn(join(dataFolder, 'tmp'))).map((path) => ({ kind: 'temporary', path })) : [];
  const data = async (): Promise<readonly Removable[]> => removalOrder(await readContent(storageFolder));
  if (await isOneVolume(storageFolder, dataFolder)) return await free({ folder: storageFolder, leftovers, data, stat });
  const outcomes = [
    await free({ folder: dataFolder, leftovers, data: () => Promise.resolve([]), stat }),
    await free({ folder: storageFolder, leftovers: () => Promise.resolve([]), data, stat }),
  ];
  return { lost: outcomes.flatMap(({ lost }) => lost), short: outcomes.flatMap(({ short }) => short) };
}

/**
 * Deletes damaged data that were set aside, the oldest first and only as much as is needed; Prometheus may run. Returns what was lost, in a
 * sentence.
 * @throws the file system's error.
 */
export async function dropSetAside(storageFolder: string, stat?: StatVolume): Promise<string | undefined> {
  const before = await readSpace(storageFolder, stat);
  const paths = await pathsIn(join(storageFolder, SET_ASIDE));
  if (before === undefined || paths.length === 0) return undefined;
  const items = paths.map((path): Removable => ({ kind: 'set-aside', path }));
  const { removed } = await remove(items, () => isEnough(storageFolder, stat));
  return describeRemoved(removed, storageFolder, before);
}

/**
 * Whether a volume is so full that nothing can be written to it for long, and deleting data would help.
 * @throws the file system's error.
 */
export async function canMakeRoom(storageFolder: string, stat?: StatVolume): Promise<boolean> {
  const space = await readSpace(storageFolder, stat);
  return space !== undefined && isFull(space) && wouldHelp(space, await measureFolder(storageFolder));
}

interface Candidates {
  readonly folder: string;
  readonly leftovers: () => Promise<readonly Removable[]>;
  readonly data: () => Promise<readonly Removable[]>;
  readonly stat: StatVolume | undefined;
}

async function free({ folder, leftovers, data, stat }: Candidates): Promise<FreeOutcome> {
  try {
    const before = await readSpace(folder, stat);
    if (before === undefined || !isFull(before)) return { lost: [], short: [] };
    const all = await data();
    const isWorthless = ({ kind }: Removable): boolean => kind === 'temporary';
    const worthless = await remove([...(await leftovers()), ...all.filter(isWorthless)], () => Promise.resolve(false));
    const space = await readSpace(folder, stat);
    const helps = space !== undefined && wouldHelp(space, await measureFolder(folder));
    const needed = helps ? all.filter((item) => !isWorthless(item)) : [];
    const rest = await remove(needed, () => isEnough(folder, stat));
    const now = await readSpace(folder, stat);
    const lost = describeRemoved(rest.removed, folder, before);
    const failures = [worthless, rest].flatMap((part) => part.failures);
    const short = now !== undefined && isFull(now) ? [[describeShort(folder, now), ...failures].join('; ')] : [];
    return { lost: lost === undefined ? [] : [lost], short };
  } catch (error) {
    return { lost: [], short: [`failed to look for room on the volume of ${folder}: ${errorText(error)}`] };
  }
}

async function isEnough(folder: string, stat: StatVolume | undefined): Promise<boolean> {
  const space = await readSpace(folder, stat);
  return space === undefined || hasRoom(space);
}

interface Removal {
  readonly removed: readonly Removable[];
  readonly failures: readonly string[];
}

/** One after the other, until it is enough. */
async function remove(items: readonly Removable[], isEnough: () => Promise<boolean>): Promise<Removal> {
  const removed: Removable[] = [];
  const failures: string[] = [];
  for (const item of items) {
    if (await isEnough()) break;
    try {
      await removeOne(item);
      removed.push(item);
    } catch (error) {
      failures.push(errorText(error));
    }
  }
  return { removed, failures };
}

/** A block goes as Prometheus itself deletes one: at once, however long that takes. */
async function removeOne({ kind, path }: Removable): Promise<void> {
  if (kind !== 'block') return rm(path, { recursive: true, force: true });
  await rename(path, path + DELETED);
  await rm(path + DELETED, { recursive: true, force: true });
}

/** Undefined when the volume has no size of its own. */
async function readSpace(folder: string, stat: StatVolume = statfs): Promise<FreeSpace | undefined> {
  const { bsize, blocks, bavail, files = 0, ffree = 0 } = await statNearest(folder, stat);
  if (blocks === 0) return undefined;
  const limit = files === 0 ? { files: undefined, freeFiles: undefined } : { files, freeFiles: ffree };
  return { sizeBytes: blocks * bsize, freeBytes: bavail * bsize, ...limit };
}

/** Of what is not there yet, that of the folder above. */
async function isOneVolume(a: string, b: string): Promise<boolean> {
  const device = async (path: string): Promise<number | undefined> =>
    statFile(path).then(
      ({ dev }) => dev,
      () => undefined,
    );
  const [one, other] = await Promise.all([device(a), device(b)]);
  return one === undefined || other === undefined || one === other;
}

async function readContent(folder: string): Promise<DataFolderContent> {
  const paths = await pathsIn(folder);
  const walFolder = join(folder, 'wal');
  const logs = await pathsIn(walFolder);
  const walSegments = logs.filter(isNumbered);
  const blocks = paths.filter((path) => BLOCK.test(nameOf(path)));
  return {
    temporary: [...paths, ...logs].filter((path) => TEMPORARY.test(path)),
    setAside: await pathsIn(join(folder, SET_ASIDE)),
    blocks: await Promise.all(blocks.map(async (path) => ({ path, ...(await readTimes(path)) }))),
    walFolder: logs.length === 0 ? undefined : walFolder,
    wal: await Promise.all(walSegments.map(async (path) => ({ path, toMs: (await statFile(path)).mtimeMs }))),
    headChunks: (await pathsIn(join(folder, 'chunks_head'))).filter(isNumbered),
    wbl: (await pathsIn(join(folder, 'wbl'))).filter(isNumbered),
  };
}

/** In the order of their names, which is that of their numbers; none of a folder that is not there. */
async function pathsIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort(compareText).map((name) => join(folder, name));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}

function isNumbered(path: string): boolean {
  return /^\d+$/.test(nameOf(path));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The times of a block's samples; nothing when its meta.json cannot be read, as Prometheus does not serve it then. */
async function readTimes(block: string): Promise<{ readonly fromMs?: number; readonly toMs?: number }> {
  try {
    const { minTime, maxTime } = JSON.parse(await readFile(join(block, 'meta.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    return typeof minTime === 'number' && typeof maxTime === 'number' ? { fromMs: minTime, toMs: maxTime } : {};
  } catch {
    return {};
  }
}
