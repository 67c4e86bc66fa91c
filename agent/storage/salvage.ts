import { existsSync } from 'node:fs';
import { link, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorCode, makeFolder } from '../system/files.ts';
import { count, errorText, shortLine } from '../shared/text.ts';
import { renumber, type Damage } from './damage.ts';
import { SET_ASIDE, setAside } from './set-aside.ts';

/** After this many starts in a row that found damage, the rest is left to a person: each tells all damaged blocks, or one other part. */
const MOST_ATTEMPTS = 8;
/** Of Prometheus' message. */
const LONGEST_REASON = 200;
const LOGS = ['wal', 'wbl'] as const;
/** Without its series, no one can read them. */
const GO_WITH_WAL = ['chunks_head', 'wbl'];

/** Sets damaged data aside, so that Prometheus starts with the rest. */
export interface Salvage {
  /** Before each start: keeps the logs as they are until it is ready, as Prometheus repairs one by deleting all that follows. Never rejects. */
  beforeStart(): Promise<void>;
  /** After a start that failed. Returns what is lost, in sentences; nothing when it does not help any more. Never rejects. */
  afterCrash(damages: readonly Damage[]): Promise<readonly string[]>;
  /** It is ready: the next damage is another one. Takes blocks away that it does not serve. Returns what is lost. Never rejects. */
  whenReady(damages: readonly Damage[]): Promise<readonly string[]>;
}

export function createSalvage(storageFolder: string, wallMs: () => number): Salvage {
  let attempts = 0;
  let hasMended = false;
  const where = join(storageFolder, SET_ASIDE);
  const kept = join(storageFolder, 'logs-before-start.tmp');
  const aside = (path: string, name = basename(path)): Promise<void> => setAside(storageFolder, path, name, wallMs());

  /** Undefined when there was nothing to do. */
  async function mend(damage: Damage): Promise<string | undefined> {
    switch (damage.kind) {
      case 'block':
      case 'unreadable-block': {
        const folder = damage.kind === 'block' ? await findBlock(storageFolder, damage.ulid) : damage.folder;
        if (folder === undefined || !existsSync(folder)) return undefined;
        await aside(folder);
        return `block ${basename(folder)} is damaged (${reasonOf(damage)}) and was moved to ${where}: its samples are missing`;
      }
      case 'repaired':
        return undefined;
      case 'checkpoint': {
        const checkpoints = await takeCheckpoints(damage.reason);
        await closeGap('wal');
        if (checkpoints.length === 0) return mend({ ...damage, kind: 'part', name: 'wal' });
        return `the checkpoint of the write-ahead log is damaged (${reasonOf(damage)}) and was moved to ${where}: most samples since the latest block are lost`;
      }
      case 'gap': {
        const missing = hasMended ? 0 : (await closeGap('wal')) + (await closeGap('wbl'));
        hasMended = true;
        if (missing === 0) return mend({ ...damage, kind: 'part', name: 'wal' });
        return `${count(missing, 'segment')} of the write-ahead log ${missing === 1 ? 'is' : 'are'} missing: the samples in ${missing === 1 ? 'it' : 'them'} are lost, the other segments are read`;
      }
      case 'part': {
        const names = damage.name === 'wal' ? ['wal', ...GO_WITH_WAL] : [damage.name];
        const there = names.filter((name) => existsSync(join(storageFolder, name)));
        for (const name of there) await aside(join(storageFolder, name));
        return there.length === 0
          ? undefined
          : `${there.join(', ')} of Prometheus' data ${there.length === 1 ? 'is' : 'are'} damaged (${reasonOf(damage)}) and moved to ${where}: ${LOST[damage.name]}`;
      }
    }
  }

  /** The one that is named, or all. Returns their names. */
  async function takeCheckpoints(reason: string): Promise<readonly string[]> {
    const wal = join(storageFolder, 'wal');
    const [named] = /checkpoint\.\d+/.exec(reason) ?? [];
    const names = (await namesIn(wal)).filter((name) =>
      named === undefined ? /^checkpoint\.\d+$/.test(name) : name === named,
    );
    for (const name of names) await aside(join(wal, name));
    return names;
  }

  /** Returns how many segments are missing, and what is in the place of one. */
  async function closeGap(name: 'wal' | 'wbl'): Promise<number> {
    const folder = join(storageFolder, name);
    const entries = await readdir(folder, { withFileTypes: true }).catch(noneIfMissing);
    const strangers = entries.filter((entry) => /^\d+$/.test(entry.name) && !entry.isFile());
    for (const entry of strangers) await aside(join(folder, entry.name));
    const files = new Map(
      entries.flatMap((entry): [number, string][] =>
        /^\d+$/.test(entry.name) && entry.isFile() ? [[Number(entry.name), entry.name]] : [],
      ),
    );
    const checkpoints = entries.flatMap(({ name: entry }) => Number(/^checkpoint\.(\d+)$/.exec(entry)?.[1] ?? NaN));
    const known = checkpoints.filter((number) => !Number.isNaN(number));
    const numbers = [...files.keys()];
    const { moves, superseded, missing } = renumber(numbers, {
      checkpoint: known.length === 0 ? undefined : Math.max(...known),
      first: name === 'wal' ? 0 : Math.min(...numbers),
    });
    for (const number of superseded) await aside(join(folder, files.get(number) ?? ''));
    for (const [from, to] of moves)
      await rename(join(folder, files.get(from) ?? ''), join(folder, String(to).padStart(8, '0')));
    return missing + strangers.length;
  }

  async function mendAll(damages: readonly Damage[]): Promise<readonly string[]> {
    const losses: string[] = [];
    for (const damage of chosen(damages)) {
      try {
        const loss = await mend(damage);
        if (loss !== undefined) losses.push(loss);
      } catch (error) {
        losses.push(
          `Prometheus' data are damaged (${reasonOf(damage)}), and setting the part aside failed: ${errorText(error)}`,
        );
      }
    }
    return losses;
  }

  /** Takes the logs back as they were before Prometheus tried to repair them. */
  async function restoreLogs(): Promise<void> {
    for (const name of LOGS) {
      if (!existsSync(join(kept, name))) continue;
      await rm(join(storageFolder, name), { recursive: true, force: true });
      await rename(join(kept, name), join(storageFolder, name));
    }
  }

  /** What Prometheus has repaired is kept as it was. */
  async function tellRepair(damages: readonly Damage[]): Promise<readonly string[]> {
    const repair = damages.find(({ kind }) => kind === 'repaired' || kind === 'checkpoint');
    if (repair === undefined) return [];
    // Otherwise each start would repair the log by it again.
    if (repair.kind === 'checkpoint') await takeCheckpoints(repair.reason);
    const loss = `Prometheus found its write-ahead log damaged (${reasonOf(repair)}) and deleted the samples that followed`;
    if (!existsSync(kept)) return [loss];
    await aside(kept, 'logs-before-repair');
    return [`${loss}: the log as it was is in ${where}`];
  }

  return {
    async beforeStart() {
      try {
        await rm(kept, { recursive: true, force: true });
        for (const name of LOGS) await linkAll(join(storageFolder, name), join(kept, name));
      } catch {
        // A filesystem without links, or without room: Prometheus repairs what it finds anyway.
        await rm(kept, { recursive: true, force: true }).catch(() => undefined);
      }
    },
    async afterCrash(damages) {
      if (damages.length === 0 || attempts >= MOST_ATTEMPTS) return [];
      attempts++;
      try {
        if (damages.some(({ kind }) => kind === 'repaired' || kind === 'checkpoint')) await restoreLogs();
      } catch (error) {
        return [`failed to take the write-ahead log back as it was before its repair: ${errorText(error)}`];
      }
      return mendAll(damages);
    },
    async whenReady(damages) {
      attempts = 0;
      hasMended = false;
      const losses = await mendAll(damages.filter(({ kind }) => kind === 'unreadable-block'));
      try {
        const repairs = await tellRepair(damages);
        await rm(kept, { recursive: true, force: true });
        return [...losses, ...repairs];
      } catch (error) {
        return [...losses, `failed to keep the write-ahead log as it was before its repair: ${errorText(error)}`];
      }
    },
  };
}

/**
 * Every block that is named once, and of the rest the first: when Prometheus fails to repair its WAL by a damaged checkpoint, its last error
 * is about the repair.
 */
function chosen(damages: readonly Damage[]): readonly Damage[] {
  const blocks = new Map(
    damages.flatMap((damage): [string, Damage][] => {
      if (damage.kind === 'block') return [[damage.ulid, damage]];
      return damage.kind === 'unreadable-block' ? [[damage.folder, damage]] : [];
    }),
  );
  const other = damages.find(({ kind }) => !['block', 'unreadable-block', 'repaired'].includes(kind));
  return [...blocks.values(), ...(other === undefined ? [] : [other])];
}

const LOST = {
  wal: 'the samples since the latest block are lost',
  wbl: 'the samples that came out of order since the latest block are lost',
  chunks_head: 'they are made again from the write-ahead log',
} as const;

function reasonOf({ reason }: Damage): string {
  return shortLine(reason, LONGEST_REASON);
}

/** The folder has its ULID as its name, unless somebody copied or renamed it. */
async function findBlock(storageFolder: string, ulid: string): Promise<string | undefined> {
  const folder = join(storageFolder, ulid);
  if (existsSync(folder)) return folder;
  for (const name of await namesIn(storageFolder)) {
    const meta = join(storageFolder, name, 'meta.json');
    if (!existsSync(meta)) continue;
    const [, own] = /"ulid"\s*:\s*"([^"]*)"/.exec(await readFile(meta, 'utf8')) ?? [];
    if (own === ulid) return join(storageFolder, name);
  }
  return undefined;
}

/** The same files under another path: that takes no room. */
async function linkAll(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch(noneIfMissing);
  if (entries.length === 0) return;
  await makeFolder(to);
  for (const entry of entries) {
    const [path, linked] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await linkAll(path, linked);
    else await link(path, linked);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(noneIfMissing);
}

function noneIfMissing(error: unknown): never[] {
  if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
  throw error;
}
