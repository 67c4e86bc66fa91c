import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { writeWhole } from '../../system/files.ts';

const MODE = 0o600;
/** How long a Prometheus of an earlier agent may take to end before it is killed. */
export const ORPHAN_LIMIT_MS = 20_000;
const LOOK_EVERY_MS = 100;

/** What a later agent must know of the Prometheus that this one starts. */
interface Note {
  readonly pid: number;
  /** Starts in a row that were killed before they were ready, this one included until it is known better. */
  readonly killed: number;
}

/**
 * Keeps count of starts that were killed before Prometheus was ready, on disk: where memory runs out, the kernel may end the whole container
 * and the agent with it.
 */
export interface Starts {
  /** Ends a Prometheus that an earlier agent left behind. */
  endOrphan(signal: AbortSignal): Promise<void>;
  /** The same, and returns how many starts in a row were killed. */
  begin(signal: AbortSignal): Promise<number>;
  /** Notes a start. Whatever happens from now on counts as a kill, until one of the others is called. */
  started(pid: number, killed: number): Promise<void>;
  /** It became ready, or ended for another reason: the count starts again. */
  cleared(pid: number | undefined): Promise<void>;
}

export function createStarts(dataFolder: string, storageFolder: string): Starts {
  const path = join(dataFolder, 'prometheus.json');

  async function read(): Promise<Note> {
    try {
      const note = JSON.parse(await readFile(path, 'utf8')) as Partial<Note>;
      return { pid: note.pid ?? 0, killed: note.killed ?? 0 };
    } catch {
      // None, or half a one: the count starts again.
      return { pid: 0, killed: 0 };
    }
  }

  /** A disk that refuses costs only the count. */
  async function write(note: Note): Promise<void> {
    const temporary = join(dataFolder, 'tmp', 'prometheus.json');
    await writeWhole({ temporary, path, text: `${JSON.stringify(note)}\n`, mode: MODE }).catch(() => undefined);
  }

  async function endNoted({ pid }: Note, signal: AbortSignal): Promise<void> {
    // A process that cannot be ended, or has just ended, is reported by the start.
    if (pid > 0) await endOrphan(pid, `--storage.tsdb.path=${storageFolder}`, signal).catch(() => undefined);
  }

  return {
    endOrphan: async (signal) => endNoted(await read(), signal),
    async begin(signal) {
      const note = await read();
      await endNoted(note, signal);
      return note.killed;
    },
    started: (pid, killed) => write({ pid, killed: killed + 1 }),
    cleared: (pid = 0) => write({ pid, killed: 0 }),
  };
}

/** Ends a process if it is the Prometheus of this storage: process numbers are used again. */
async function endOrphan(pid: number, argument: string, signal: AbortSignal): Promise<void> {
  const isThere = async (): Promise<boolean> => {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return words.split('\0').includes(argument);
  };
  const deadlineMs = performance.now() + ORPHAN_LIMIT_MS;
  if (!(await isThere())) return;
  process.kill(pid, 'SIGTERM');
  while (!signal.aborted && (await isThere())) {
    if (performance.now() > deadlineMs) process.kill(pid, 'SIGKILL');
    await wait(LOOK_EVERY_MS);
  }
}
