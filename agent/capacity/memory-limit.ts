import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { errorCode } from '../system/files.ts';

/** cgroup v1 writes "no limit" as the largest number of pages, just below 2^63. */
const NO_LIMIT_BYTES = 2 ** 62;
const BYTES_PER_KIB = 1024;

/** How much memory there is, and the source of that figure; unknown without a source. */
export type MemoryLimit =
  | { readonly kind: 'known'; readonly bytes: number; readonly source: 'cgroup v2' | 'cgroup v1' | 'machine' }
  | { readonly kind: 'unknown'; readonly reason: string };

/** A mount as `/proc/self/mountinfo` has it. */
interface Mount {
  /** Which folder of its filesystem is mounted. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/**
 * The memory that this process may take: the least limit of its control groups, of version 2 or 1, from its own up to what it sees of their
 * tree; else the machine's memory. `root` is where `/proc` and `/sys` are.
 */
export async function readMemoryLimit(root = '/'): Promise<MemoryLimit> {
  const machine = memoryTotal(await read(join(root, 'proc/meminfo')));
  const groups = (await read(join(root, 'proc/self/cgroup'))) ?? '';
  const mounts = mountsOf((await read(join(root, 'proc/self/mountinfo'))) ?? '');
  const v2 = await leastLimit(
    root,
    mounts.find(({ type }) => type === 'cgroup2'),
    groupOf(groups, (controllers) => controllers === ''),
    'memory.max',
  );
  const v1 = await leastLimit(
    root,
    mounts.find(({ type, options }) => type === 'cgroup' && options.includes('memory')),
    groupOf(groups, (controllers) => controllers.split(',').includes('memory')),
    'memory.limit_in_bytes',
  );
  const found = [
    { bytes: v2, source: 'cgroup v2' as const },
    { bytes: v1, source: 'cgroup v1' as const },
    { bytes: machine ?? Infinity, source: 'machine' as const },
  ].sort((a, b) => a.bytes - b.bytes)[0];
  if (found === undefined || found.bytes === Infinity) {
    return { kind: 'unknown', reason: 'neither a control group nor /proc/meminfo has the size of the memory' };
  }
  return { kind: 'known', ...found };
}

/** The path of this process' control group in the hierarchy whose controllers fit. */
function groupOf(groups: string, fits: (controllers: string) => boolean): string | undefined {
  for (const line of groups.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers !== undefined && fits(controllers)) return path;
  }
  return undefined;
}

/** The least limit from a group up to where its hierarchy is mounted; Infinity without one. */
async function leastLimit(
  root: string,
  mount: Mount | undefined,
  group: string | undefined,
  file: string,
): Promise<number> {
  if (mount === undefined || group === undefined) return Infinity;
  // Without a namespace of its own, a container sees its whole path here, but only the end of it mounted.
  const below = relative(mount.root, group);
  let least = Infinity;
  let folder = below.startsWith('..') ? '.' : below === '' ? '.' : below;
  for (;;) {
    const text = (await read(join(root, mount.point, folder, file)))?.trim();
    // "max" is no number.
    const bytes = text === undefined || text === '' ? NaN : Number(text);
    if (bytes < NO_LIMIT_BYTES) least = Math.min(least, bytes);
    if (folder === '.') return least;
    folder = dirname(folder);
  }
}

function mountsOf(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, point] = before.split(' ');
    const [type = '', , options = ''] = after.split(' ');
    if (root === undefined || point === undefined) return [];
    return [{ root: unescape(root), point: unescape(point), type, options: options.split(',') }];
  });
}

/** Spaces and the like are written as their octal number. */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function memoryTotal(meminfo: string | undefined): number | undefined {
  const kib = /^MemTotal:\s+(\d+) kB$/m.exec(meminfo ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) * BYTES_PER_KIB;
}

/** Undefined when there is no such file, or it may not be read. */
async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}
