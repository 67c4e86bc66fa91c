import { compareText, count } from '../shared/text.ts';

const MIB = 2 ** 20;

/** What is kept free for a start: the configuration, the target file and the state are each written beside the old one. */
const START = { share: 0.05, leastBytes: 4 * MIB, mostBytes: 128 * MIB } as const;
/**
 * What is freed once there is less than that: Prometheus begins a WAL segment (10 MiB, or 128 MiB on large volumes) and writes the head as a block
 * before it can cut the WAL. 20 % is what is free when a volume is fullest in its normal course, so that a start with this much is like any other.
 */
const GOAL = { share: 0.2, leastBytes: 8 * MIB, mostBytes: 512 * MIB } as const;
/** On a tiny volume, no more than this share of it. */
const MOST_SHARE = 0.25;
/** The same in files: a block has 6, the agent makes some 20. */
const START_FILES = 48;
const GOAL_FILES = 192;

/** What a volume has left. */
export interface FreeSpace {
  readonly sizeBytes: number;
  readonly freeBytes: number;
  /** Undefined when their number has no limit. */
  readonly files: number | undefined;
  readonly freeFiles: number | undefined;
}

/** Something of the agent's or its Prometheus' on the volume. */
export interface Removable {
  readonly kind: 'temporary' | 'set-aside' | 'block' | 'wal' | 'head-chunks' | 'wbl';
  readonly path: string;
  /** The times of its samples in milliseconds since 1970, as far as they are known. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/** What Prometheus' data folder holds. Segments and chunk files are in the order of their numbers. */
export interface DataFolderContent {
  readonly temporary: readonly string[];
  readonly setAside: readonly string[];
  readonly blocks: readonly { readonly path: string; readonly fromMs?: number; readonly toMs?: number }[];
  /** The folder of the WAL, which holds checkpoints beside the segments; undefined if there is none. */
  readonly walFolder: string | undefined;
  readonly wal: readonly { readonly path: string; readonly toMs: number }[];
  readonly headChunks: readonly string[];
  readonly wbl: readonly string[];
}

/** Whether so little is free that a start would fail. */
export function isFull(space: FreeSpace): boolean {
  return isBelow(space, START, START_FILES);
}

/** Whether enough is free again. */
export function hasRoom(space: FreeSpace): boolean {
  return !isBelow(space, GOAL, GOAL_FILES);
}

function isBelow(
  { sizeBytes, freeBytes, files, freeFiles }: FreeSpace,
  need: typeof START | typeof GOAL,
  some: number,
): boolean {
  const share = Math.min(need.mostBytes, Math.max(need.leastBytes, sizeBytes * need.share));
  const lacksBytes = freeBytes < Math.min(share, sizeBytes * MOST_SHARE);
  const lacksFiles = files !== undefined && freeFiles !== undefined && freeFiles < Math.min(some, files * MOST_SHARE);
  return lacksBytes || lacksFiles;
}

/** Whether there would be enough for a start if all of this were deleted: what would not help is not deleted. */
export function wouldHelp(space: FreeSpace, own: { readonly bytes: number; readonly files: number }): boolean {
  const freeFiles = space.freeFiles === undefined ? undefined : space.freeFiles + own.files;
  return !isFull({ ...space, freeBytes: space.freeBytes + own.bytes, freeFiles });
}

/**
 * The order in which data go when a volume is full: what no one reads, then the oldest blocks, then the newest WAL segments. The series of all
 * WAL samples are in its checkpoint and its first segments, so the WAL is shortened from its end; and most samples of the segments that go are
 * in the head chunks, too. Pure.
 */
export function removalOrder(content: DataFolderContent): readonly Removable[] {
  const { temporary, setAside, blocks, walFolder, wal, headChunks, wbl } = content;
  const segments = wal.map(({ path, toMs }, index): Removable => {
    const fromMs = wal[index - 1]?.toMs;
    return { kind: 'wal', path, fromMs, toMs };
  });
  // Blocks that no one can read first, as their times are unknown.
  const sorted = [...blocks].sort((a, b) => (a.toMs ?? 0) - (b.toMs ?? 0) || compareText(a.path, b.path));
  return [
    ...temporary.map((path): Removable => ({ kind: 'temporary', path })),
    ...setAside.map((path): Removable => ({ kind: 'set-aside', path })),
    ...sorted.map((block): Removable => ({ kind: 'block', ...block })),
    ...segments.slice(1).reverse(),
    ...headChunks.map((path): Removable => ({ kind: 'head-chunks', path })),
    ...[...wbl].reverse().map((path): Removable => ({ kind: 'wbl', path })),
    // A checkpoint without its next segment, or the other way round, would be damage.
    ...(walFolder === undefined ? [] : [{ kind: 'wal', path: walFolder } as const]),
  ];
}

/** What was lost, as a sentence; undefined when it was nothing that anybody could have read. */
export function describeRemoved(removed: readonly Removable[], folder: string, before: FreeSpace): string | undefined {
  const of = (kind: Removable['kind']): readonly Removable[] => removed.filter((item) => item.kind === kind);
  const parts = [
    part(of('block'), 'oldest block', rangeOf),
    part(of('wal'), 'newest file', (items) => ` of the write-ahead log${rangeOf(items)}`),
    part(of('head-chunks'), 'file', () => ' of head chunks'),
    part(of('wbl'), 'file', () => ' of the log of out-of-order samples'),
    part(of('set-aside'), 'damaged part', () => ' that had been set aside'),
  ].filter((text) => text !== undefined);
  if (parts.length === 0) return undefined;
  return `${describeFull(folder, before, 'was')}: deleted ${parts.join(', ')} to make room; choose a larger plan, or scrape fewer samples`;
}

/** Why a start may fail, when nothing is left that could be deleted. */
export function describeShort(folder: string, now: FreeSpace): string {
  return `${describeFull(folder, now, 'is')}, and Prometheus' data are not what fills it: delete other files there, or choose a larger volume`;
}

function describeFull(
  folder: string,
  { sizeBytes, freeBytes, files, freeFiles }: FreeSpace,
  verb: 'is' | 'was',
): string {
  const bytes = `${mib(sizeBytes - freeBytes)} of ${mib(sizeBytes)} MiB`;
  const isOutOfFiles =
    files !== undefined && freeFiles !== undefined && freeFiles < GOAL_FILES && freeFiles < files * MOST_SHARE;
  const inodes = isOutOfFiles ? `, ${files - freeFiles} of ${files} files` : '';
  return `the volume of ${folder} ${verb} full (${bytes}${inodes})`;
}

function part(
  items: readonly Removable[],
  noun: string,
  rest: (items: readonly Removable[]) => string,
): string | undefined {
  return items.length === 0 ? undefined : `${count(items.length, noun)}${rest(items)}`;
}

function rangeOf(items: readonly Removable[]): string {
  const from = items.flatMap(({ fromMs }) => fromMs ?? []);
  const to = items.flatMap(({ toMs }) => toMs ?? []);
  if (to.length === 0) return '';
  const since = from.length === 0 ? '' : `from ${time(Math.min(...from))} `;
  return ` (samples ${since}to ${time(Math.max(...to))})`;
}

function time(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

function mib(bytes: number): string {
  return Math.round(bytes / MIB).toLocaleString('en-US');
}
