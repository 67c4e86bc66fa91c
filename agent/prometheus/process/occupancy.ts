import { join } from 'node:path';
import { lock } from '../../system/lock.ts';
import { ORPHAN_LIMIT_MS } from './start-attempts.ts';
import type { Log } from '../../shared/log.ts';
import { makeWritable } from './writable.ts';

/** Prometheus' own lock file in its data folder. */
const PROMETHEUS_LOCK = 'lock';

/** Another process works on the same folder. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse';
}

export interface OccupyOptions {
  readonly dataFolder: string;
  /** Undefined with an external Prometheus. */
  readonly storageFolder: string | undefined;
  /** Ends the Prometheus of an agent that was killed. */
  readonly endOrphan: () => Promise<void>;
  readonly log: Log;
}

/**
 * Takes the folders for this agent alone, before it writes anything: two would overwrite each other's files, and two Prometheus one WAL.
 * Returns what gives them back.
 * @throws {FolderInUse} when another agent or Prometheus has one.
 * @throws {FolderNotWritable} when one belongs to another user.
 */
export async function occupy({ dataFolder, storageFolder, endOrphan, log }: OccupyOptions): Promise<() => void> {
  const releases: (() => void)[] = [];
  const release = (): void => {
    for (const one of releases) one();
  };
  const variables = { AGENT_DATA_DIR: dataFolder, AGENT_STORAGE_DIR: storageFolder };
  try {
    for (const [variable, folder] of Object.entries(variables)) {
      if (folder === undefined) continue;
      await makeWritable(folder);
      const outcome = await lock(folder);
      if (outcome.kind === 'taken')
        throw new FolderInUse(`Another agent uses ${folder}: stop it first, or set ${variable} to another folder.`);
      if (outcome.kind === 'locked') releases.push(outcome.release);
      else log.warn(`whether another agent uses ${folder} is unknown: ${outcome.reason}`);
    }
    if (storageFolder === undefined) return release;
    await endOrphan();
    const path = join(storageFolder, PROMETHEUS_LOCK);
    const outcome = await lock(path, ORPHAN_LIMIT_MS);
    if (outcome.kind === 'taken')
      throw new FolderInUse(
        `Another Prometheus uses ${storageFolder}: stop it first, or set AGENT_STORAGE_DIR to another folder.`,
      );
    // Prometheus takes it itself; without its file there is none.
    if (outcome.kind === 'locked') outcome.release();
    return release;
  } catch (error) {
    release();
    throw error;
  }
}
