import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createCheck, type Credentials, type Verdict } from '../shared/basic-auth.ts';
import { isObject } from '../shared/shape.ts';
import { errorCode, writeWhole } from './files.ts';

/** The token and the password that the agent runs with now: those of its environment, or what the broker handed to it since. */
export interface Access {
  /** Tsuru's. */
  readonly token: () => string;
  /**
   * Checks an `Authorization` header of the guarded port. After a new password was handed over the old one is right as well, until the new one
   * is used: who hands it over notes it elsewhere in between.
   */
  readonly verdictOf: (authorization: string | undefined) => Verdict;
  /** Uses these from now on, also after a restart of the process. @throws the file system's error; then nothing has changed. */
  take(handed: Handed): Promise<void>;
}

/** A new token, a new password, or both. */
export interface Handed {
  readonly token?: string;
  readonly password?: string;
}

export interface AccessOptions {
  readonly dataFolder: string;
  /** As the environment has them. */
  readonly token: string;
  readonly credentials: Credentials;
  /** What no line and no page may show: what is handed over is added. */
  readonly secrets: string[];
}

/** What was handed over, and of which value of the environment it takes the place: a unit that starts with a newer one takes that. */
interface Stored {
  readonly token?: Replacement;
  readonly password?: Replacement;
}

interface Replacement {
  /** The digest of the environment's value. */
  readonly of: string;
  readonly value: string;
  /** Of a password: the one before is no longer right. */
  readonly isUsed?: boolean;
}

const MODE = 0o600;

/**
 * A process reads its environment when it starts, and a container that is restarted has the environment of its pod: what is handed over is
 * kept beside the data, for its user alone.
 */
export async function createAccess({ dataFolder, token, credentials, secrets }: AccessOptions): Promise<Access> {
  const path = join(dataFolder, 'access.json');
  const given = { token, password: credentials.password };
  let stored = await read(path, given);
  let checks = checksOf();
  secrets.push(...[stored.token?.value, stored.password?.value].filter((value) => value !== undefined));

  /** The first is the newest. */
  function checksOf(): readonly ReturnType<typeof createCheck>[] {
    const { password } = stored;
    if (password === undefined) return [createCheck(credentials)];
    const newest = createCheck({ ...credentials, password: password.value });
    return password.isUsed === true ? [newest] : [newest, createCheck(credentials)];
  }

  async function keep(next: Stored): Promise<void> {
    await writeWhole({ temporary: `${path}.new`, path, text: JSON.stringify(next), mode: MODE });
    stored = next;
  }

  function endOld(): void {
    const { password } = stored;
    if (password === undefined || password.isUsed === true) return;
    checks = checks.slice(0, 1);
    // A restart before this is on disk has both right once more.
    void keep({ ...stored, password: { ...password, isUsed: true } }).catch(() => undefined);
  }

  return {
    token: () => stored.token?.value ?? token,
    verdictOf(authorization) {
      const verdicts = checks.map((check) => check(authorization));
      const [newest = 'none'] = verdicts;
      if (newest === 'right') endOld();
      return verdicts.includes('right') ? 'right' : newest;
    },
    async take(handed) {
      const next = { ...stored };
      const fresh: Stored = {
        ...next,
        ...(handed.token === undefined ? {} : { token: { of: digestOf(given.token), value: handed.token } }),
        ...(handed.password === undefined
          ? {}
          : { password: { of: digestOf(given.password), value: handed.password } }),
      };
      secrets.push(...[handed.token, handed.password].filter((value) => value !== undefined));
      const before = checks;
      await keep(fresh);
      if (handed.password === undefined) return;
      const [newest] = checksOf();
      if (newest !== undefined) checks = [newest, ...before.slice(0, 1)];
    },
  };
}

/** Nothing where there is nothing, where it cannot be read, or where the environment is newer; then the file goes. */
async function read(path: string, given: { readonly token: string; readonly password: string }): Promise<Stored> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    const token = replacementIn(value, 'token', given.token);
    const password = replacementIn(value, 'password', given.password);
    const found = { ...(token === undefined ? {} : { token }), ...(password === undefined ? {} : { password }) };
    if (Object.keys(found).length === 0) await rm(path, { force: true });
    return found;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') await rm(path, { force: true }).catch(() => undefined);
    return {};
  }
}

function replacementIn(stored: unknown, name: 'token' | 'password', given: string): Replacement | undefined {
  const entry = isObject(stored) ? stored[name] : undefined;
  if (!isObject(entry) || entry['of'] !== digestOf(given)) return undefined;
  const { value, isUsed } = entry;
  if (typeof value !== 'string' || value === '') return undefined;
  return { of: digestOf(given), value, ...(isUsed === true ? { isUsed } : {}) };
}

function digestOf(value: string): string {
  return createHash('sha256').update(value).digest('hex');
}
