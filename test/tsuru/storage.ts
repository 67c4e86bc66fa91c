// What is mounted in units. A unit with volumes gets a mount namespace of its own, held by a process that lives as long as
// the unit: so its tmpfs outlives a crash, and the kernel frees everything when that process ends, however it ends.
// Where nothing may be mounted (no root, no Linux), a volume is a plain folder, and the unit is reported where.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { UnitVolume } from './volumes.ts';

export interface Storage {
  open(unit: string, volumes: readonly UnitVolume[], options: StorageOptions): Promise<UnitStorage>;
  /** Removes all folders. */
  close(): Promise<void>;
}

interface StorageOptions {
  /** What the plan of the app allows, in bytes: a tmpfs is never larger. */
  readonly memory: number;
  /** Only a process of its own can have mounts of its own. */
  readonly isCommand: boolean;
}

export interface UnitStorage {
  /** Where a process of the unit finds each volume, by mount point: there, or in another folder. */
  readonly volumes: Readonly<Record<string, string>>;
  /** Why volumes are not at their mount points; undefined when they are. */
  readonly excuse: string | undefined;
  /** A command as it is to be started to find them. */
  enter(argv: readonly [string, ...string[]], cwd: string | undefined): readonly [string, ...string[]];
  close(): Promise<void>;
}

/** A volume with the folder that stands for it, where it is no tmpfs. */
interface Placed extends UnitVolume {
  readonly folder: string;
}

const HOLD = fileURLToPath(new URL('hold-mounts.sh', import.meta.url));

const NO_STORAGE: UnitStorage = {
  volumes: {},
  excuse: undefined,
  enter: (argv) => argv,
  close: () => Promise.resolve(),
};

export function createStorage(): Storage {
  let root: Promise<string> | undefined;
  const rootFolder = () => (root ??= mkdtemp(join(tmpdir(), 'local-tsuru-')));

  return {
    async open(unit, volumes, { memory, isCommand }) {
      if (volumes.length === 0) return NO_STORAGE;
      const base = await rootFolder();
      const own = join(base, 'units', unit);
      const placed: Placed[] = [];
      for (const [i, volume] of volumes.entries()) {
        const folder =
          volume.kind === 'shared' ? join(base, 'volumes', volume.volume) : join(own, 'volumes', String(i));
        placed.push({ ...volume, folder });
        await mkdir(folder, { recursive: true });
        await chmod(folder, volume.isOpen ? 0o777 : 0o755);
      }
      const holder = isCommand ? await hold(join(own, 'root'), placed, memory) : { excuse: undefined };
      return {
        volumes: Object.fromEntries(
          placed.map(({ mountPoint, folder }) => [mountPoint, 'pid' in holder ? mountPoint : folder]),
        ),
        excuse: 'excuse' in holder ? holder.excuse : undefined,
        enter: (argv, cwd = process.cwd()) =>
          'pid' in holder
            ? ['nsenter', `--target=${holder.pid}`, '--mount', '--root', '--', 'env', `--chdir=${cwd}`, ...argv]
            : argv,
        async close() {
          if ('pid' in holder) await holder.close();
          await rm(own, { recursive: true, force: true });
        },
      };
    },

    async close() {
      if (root !== undefined) await rm(await root, { recursive: true, force: true });
    },
  };
}

interface Holder {
  readonly pid: number;
  close(): Promise<void>;
}

/** Starts the process that holds a unit's mounts; says why not, where that does not work. */
async function hold(
  root: string,
  volumes: readonly Placed[],
  memory: number,
): Promise<Holder | { readonly excuse: string }> {
  if (process.platform !== 'linux') return { excuse: 'nothing can be mounted here but on Linux' };
  for (const { mountPoint } of volumes) {
    if (!(await canMountAt(mountPoint))) {
      return {
        excuse: `${mountPoint} is no folder of this machine, nor directly below /: nothing can be mounted there`,
      };
    }
  }
  await mkdir(root, { recursive: true });
  const mounts = volumes.flatMap(({ kind, mountPoint, readOnly, sizeLimit = memory, folder }) => {
    const mode = readOnly ? 'ro' : 'rw';
    return kind === 'memory'
      ? ['tmpfs', `size=${Math.min(sizeLimit, memory)},mode=1777,${mode}`, mountPoint]
      : [folder, mode, mountPoint];
  });
  const holding = ['unshare', '--mount', '--propagation', 'private', '--', '/bin/sh', HOLD, root, ...mounts];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...holding], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { text: '' };
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding('utf8').on('data', (text: string) => (said.text += text));
  }
  const ended = once(child, 'exit').catch(() => undefined);
  await Promise.race([once(child.stdout, 'data').catch(() => undefined), ended]);
  if (child.pid !== undefined && said.text.startsWith('ready')) {
    return { pid: child.pid, close: () => end(child, ended) };
  }
  await end(child, ended);
  return { excuse: `nothing may be mounted here: ${said.text.trim().split('\n')[0] ?? ''}` };
}

async function canMountAt(mountPoint: string): Promise<boolean> {
  if (dirname(mountPoint) === '/') return true;
  return stat(mountPoint).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGKILL');
  await ended;
}
