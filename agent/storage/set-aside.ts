import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../system/files.ts';

/** The folder in Prometheus' data folder where damaged data are kept: on the same volume, so that it costs no room to move them. */
export const SET_ASIDE = 'set-aside';

/** Moves a part of the data to where Prometheus does not look for it; the name tells when. @throws the file system's error. */
export async function setAside(storageFolder: string, path: string, as: string, wallMs: number): Promise<void> {
  const folder = join(storageFolder, SET_ASIDE);
  await makeFolder(folder);
  const when = new Date(wallMs).toISOString().replace(/[-:]|\.\d+/g, '');
  let name = `${when}-${as}`;
  for (let more = 2; existsSync(join(folder, name)); more++) name = `${when}-${as}-${more}`;
  await rename(path, join(folder, name));
}

/**
 * Takes the write-ahead log away, which a start must replay and for which memory does not suffice: the samples since the last block are lost. It is
 * set aside on a disk; in memory it would take the room that is missing. Returns whether there was one.
 */
export async function setAsideWal(storageFolder: string, keep: boolean, wallMs: number): Promise<boolean> {
  if (!existsSync(join(storageFolder, 'wal'))) return false;
  for (const name of ['wal', 'wbl', 'chunks_head']) {
    const path = join(storageFolder, name);
    if (!existsSync(path)) continue;
    if (keep) await setAside(storageFolder, path, name, wallMs);
    else await rm(path, { recursive: true, force: true });
  }
  return true;
}
