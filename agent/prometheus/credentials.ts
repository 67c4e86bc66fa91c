import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, namesIn, writeWhole } from '../files.ts';
import type { Environment } from '../shared/environment.ts';
import type { Authentication } from '../shared/settings/endpoint.ts';
import type { Settings } from '../shared/settings/schema.ts';

const MODE = 0o600;
const FOLDER_MODE = 0o700;
const FOLDER = 'credentials';
/** A path of one of the files in a configuration. */
const FILE = new RegExp(`/${FOLDER}/([A-Z0-9_]+)`, 'g');

/** The files with the secrets of remote_write and Alertmanagers: Prometheus reads them anew for each request. */
export interface Credentials {
  /** Writes the secrets that settings name, and returns the path of each by its variable; one that is not set has none. */
  place(settings: Settings): Promise<ReadonlyMap<string, string>>;
  /** Removes those that none of these configurations name. */
  removeUnused(configs: readonly string[]): Promise<void>;
}

export function createCredentials(dataFolder: string, environment: Environment): Credentials {
  const folder = join(dataFolder, FOLDER);
  const written = new Map<string, string>();
  return {
    async place(settings) {
      const placed = new Map<string, string>();
      for (const name of variablesOf(settings)) {
        const value = environment[name];
        if (value === undefined || value === '') continue;
        const path = join(folder, name);
        if (written.get(name) !== value || !existsSync(path)) {
          await makeFolder(dataFolder);
          await makeFolder(folder, FOLDER_MODE);
          await writeWhole({ temporary: join(dataFolder, 'tmp', 'credentials'), path, text: value, mode: MODE });
          written.set(name, value);
        }
        placed.set(name, path);
      }
      return placed;
    },
    async removeUnused(configs) {
      const used = new Set(configs.flatMap((config) => [...config.matchAll(FILE)].map(([, name]) => name)));
      for (const name of await namesIn(folder)) if (!used.has(name)) await rm(join(folder, name), { force: true });
    },
  };
}

/** The variables that hold the secrets of these settings. */
export function variablesOf({ remoteWrite, alertmanagers }: Settings): ReadonlySet<string> {
  return new Set(
    [...remoteWrite, ...alertmanagers].flatMap(({ authentication }) =>
      authentication === undefined ? [] : [variableOf(authentication)],
    ),
  );
}

/** The variable that holds the secret. */
export function variableOf(authentication: Authentication): string {
  return authentication.kind === 'basic' ? authentication.passwordEnv : authentication.credentialsEnv;
}
