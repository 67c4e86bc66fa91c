import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { makeFolder, writeWhole } from '../../system/files.ts';
import { basicHeader } from '../../shared/basic-auth.ts';

const USERNAME = 'agent';
/** 256 bits cannot be guessed; bcrypt takes at most 72 characters. */
const SECRET_BYTES = 32;
/** The lowest cost of bcrypt, some milliseconds: a higher one only slows down guesses of short passwords. */
const BCRYPT_COST = 4;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/**
 * What the agent's own Prometheus asks of each request. Without it, whoever makes Prometheus send a POST, with `remote_write` for one, could
 * end it by its own lifecycle API. It is made again at each start of the agent and is in files that only its user reads.
 */
export interface OwnSecret {
  readonly username: string;
  readonly password: string;
  /** The value of the header `Authorization`. */
  readonly authorization: string;
  /** The password in a file, for the job that scrapes Prometheus itself. */
  readonly passwordFile: string;
  /** For `--web.config.file`; Prometheus reads it at each request. */
  readonly webConfigFile: string;
  /** Writes both files where they are missing or others. @throws the file system's error. */
  readonly place: () => Promise<void>;
}

export function createOwnSecret(dataFolder: string): OwnSecret {
  const folder = join(dataFolder, 'web');
  const password = randomBytes(SECRET_BYTES).toString('base64url');
  const passwordFile = join(folder, 'password');
  const webConfigFile = join(folder, 'web.yml');
  // A hash has no character that is special between quotes.
  const webConfig = `basic_auth_users:\n  ${USERNAME}: '${hashSync(password, BCRYPT_COST)}'\n`;

  async function placeOne(path: string, text: string): Promise<void> {
    if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return;
    await makeFolder(dataFolder);
    await makeFolder(folder, FOLDER_MODE);
    await writeWhole({ temporary: join(dataFolder, 'tmp', 'web'), path, text, mode: FILE_MODE });
  }

  let placing: Promise<void> = Promise.resolve();
  return {
    username: USERNAME,
    password,
    authorization: basicHeader({ username: USERNAME, password }),
    passwordFile,
    webConfigFile,
    place() {
      // One at a time: both use the same temporary file.
      placing = placing
        .catch(() => undefined)
        .then(async () => {
          await placeOne(passwordFile, password);
          await placeOne(webConfigFile, webConfig);
        });
      return placing;
    },
  };
}
