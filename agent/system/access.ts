import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createCheck, type Credentials, type Verdict } from '../shared/basic-auth.ts';
import { parsePassword } from '../shared/password.ts';
import { isObject } from '../shared/shape.ts';
import { errorCode, writeWhole } from './files.ts';

/** The token and the password that the agent runs with now: those of its environment, or what the broker handed to it since. */
export interface Access {
  /** Tsuru's. */
  readonly token: () => string;
  /**
   * Checks an `Authorization` header of the guarded port. After a new password was handed over the old one is right as well, until the new one
   * is used: who hands it over notes it elsewhere in between. Undefined where there is no guarded port.
   */
  readonly verdictOf: Check | undefined;
  /** Uses these from now on, also after a restart of the process. @throws the file system's error; then nothing has changed. */
  take(handed: Handed): Promise<void>;
}

type Check = (authorization: string | undefined) => Verdict;

/** A new token, a new password, or both. */
export interface Handed {
  readonly token?: string;
  readonly password?: string;
}

export interface AccessOptions {
  readonly dataFolder: string;
  /** As the environment has them. */
  readonly token: string;
  readonly credentials: Credentials | undefined;
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
  const given = { token, password: credentials?.password ?? '' };
  let stored = await read(path, given);
  let checks = checksOf();
  secrets.push(...[stored.token?.value, stored.password?.value].filter((value) => value !== undefined));

  /** The first is the newest. */
  function checksOf(): readonly Check[] {
    const { password } = stored;
    if (credentials === undefined) return [];
    if (password === undefined) return [createCheck(credentials)];
    const newest = createCheck({ ...credentials, password: password.value });
    return password.isUsed === true ? [newest] : [newest, createCheck(credentials)];
  }

  /** One at a time, as they share a file. */
  let writing: Promise<unknown> = Promise.resolve();

  async function keep(change: (present: Stored) => Stored): Promise<void> {
    const kept = writing.then(async () => {
      const next = change(stored);
      await writeWhole({ temporary: `${path}.new`, path, text: JSON.stringify(next), mode: MODE });
      stored = next;
    });
    writing = kept.catch(() => undefined);
    await kept;
  }

  function endOld(): void {
    if (checks.length < 2) return;
    checks = checks.slice(0, 1);
    // A restart before this is on disk has both right once more.
    void keep(({ password, ...rest }) => ({
      ...rest,
      ...(password === undefined ? {} : { password: { ...password, isUsed: true } }),
    })).catch(() => undefined);
  }

  function verdictOf(authorization: string | undefined): Verdict {
    const verdicts = checks.map((check) => check(authorization));
    const [newest = 'none'] = verdicts;
    if (newest === 'right') endOld();
    return verdicts.includes('right') ? 'right' : newest;
  }

  return {
    token: () => stored.token?.value ?? token,
    verdictOf: credentials === undefined ? undefined : verdictOf,
    async take(handed) {
      secrets.push(...[handed.token, handed.password].filter((value) => value !== undefined));
      const { password } = handed;
      const before = checks;
      await keep((present) => ({
        ...present,
        ...(handed.token === undefined ? {} : { token: { of: digestOf(given.token), value: handed.token } }),
        ...(password === undefined ? {} : { password: { of: digestOf(given.password), value: password } }),
      }));
      if (password === undefined || credentials === undefined) return;
      checks = [createCheck({ ...credentials, password }), ...before.slice(0, 1)];
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

/** A header's value. */
const TOKEN = /^[\x21-\x7e]+$/;

export const BAD_HANDED =
  'The body must be JSON like {"token": "..."} or {"password": "..."}, with visible characters and a password of 16 or more.';

/** Reads the body of `POST /tsuru/access`; undefined if it is invalid. */
export function readHanded(body: string): Handed | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isObject(json)) return undefined;
  const { token, password, ...unknown } = json;
  const isToken = token === undefined || (typeof token === 'string' && TOKEN.test(token));
  const isPassword = password === undefined || (typeof password === 'string' && parsePassword(password) !== undefined);
  if (!isToken || !isPassword || Object.keys(unknown).length > 0) return undefined;
  if (token === undefined && password === undefined) return undefined;
  return { ...(token === undefined ? {} : { token }), ...(password === undefined ? {} : { password }) };
}
