import { readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, makeFolder, writeWhole } from '../system/files.ts';

/** Prometheus may run as another user. */
const MODE = 0o644;

/** The one file of targets that Prometheus watches. */
export interface TargetFile {
  readonly path: string;
  /** Makes the watched folder: Prometheus looks for one that is missing at its start only now and then. */
  makeFolder(): Promise<void>;
  /** What the file holds; undefined if there is none. */
  read(): Promise<string | undefined>;
  /**
   * Makes the file hold this text, calling back right before it is replaced; returns whether that took a write, and the second that tells this version from all others.
   * @throws the file system's error; then the old file is as it was.
   */
  write(text: string, onReplace?: () => void): Promise<{ readonly written: boolean; readonly seconds: number }>;
  /**
   * Puts the same version in place again, which makes Prometheus read it once more. Does nothing without a file.
   * @throws the file system's error; then the old file is as it was.
   */
  putAgain(): Promise<void>;
}

/**
 * The target file below a folder: `targets/apps.json`, made in `tmp/` beside the watched folder, where each write would cost Prometheus
 * several scans instead of one.
 *
 * Each version has a second of its own as its time of change, never below the last one: Prometheus says which file it read only by that
 * time, in whole seconds.
 */
export function createTargetFile(dataFolder: string, wallMs: () => number): TargetFile {
  const path = join(dataFolder, 'targets', 'apps.json');
  const temporary = join(dataFolder, 'tmp', 'apps.json');
  let current: { text: string; identity: string } | undefined;
  let lastSeconds = 0;

  async function read(): Promise<string | undefined> {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** The identity of a version of the file without reading it, and its second. */
  async function look(): Promise<{ identity: string; seconds: number } | undefined> {
    try {
      const { ino, size, mtimeMs } = await stat(path);
      return { identity: `${ino} ${size} ${mtimeMs}`, seconds: Math.floor(mtimeMs / 1000) };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  return {
    path,
    makeFolder: () => makeFolder(dirname(path)),
    read,
    async write(text, onReplace) {
      const before = await look();
      if (before !== undefined && before.identity !== current?.identity) {
        current = { text: (await read()) ?? '', identity: before.identity };
      }
      if (before !== undefined && current?.text === text) return { written: false, seconds: before.seconds };

      const seconds = Math.max(Math.floor(wallMs() / 1000), lastSeconds + 1, (before?.seconds ?? 0) + 1);
      await rm(temporary, { force: true });
      onReplace?.();
      await writeWhole({ temporary, path, text, mode: MODE, mtimeSeconds: seconds });
      lastSeconds = seconds;
      current = { text, identity: (await look())?.identity ?? '' };
      return { written: true, seconds };
    },
    async putAgain() {
      const before = await look();
      const text = await read();
      if (before === undefined || text === undefined) return;
      await rm(temporary, { force: true });
      await writeWhole({ temporary, path, text, mode: MODE, mtimeSeconds: before.seconds });
      current = { text, identity: (await look())?.identity ?? '' };
    },
  };
}
