import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, namesIn, writeWhole } from '../../system/files.ts';
import { encodeCredentials } from '../../shared/basic-auth.ts';
import type { Environment } from '../../shared/environment.ts';
import type { Authentication } from '../../shared/settings/endpoint.ts';
import type { Headers } from '../../shared/settings/headers.ts';
import type { Settings } from '../../shared/settings/schema.ts';
import type { Features } from '../api/features.ts';

const MODE = 0o600;
const FOLDER_MODE = 0o700;
const FOLDER = 'credentials';
/** A path of one of the files in a configuration. */
const FILE = new RegExp(`/${FOLDER}/([A-Z0-9_]+)`, 'g');

/** The files with the secrets of remote_write and Alertmanagers: Prometheus reads them again for each request. */
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
  return new Set([
    ...[...remoteWrite, ...alertmanagers].flatMap(({ authentication }) =>
      authentication === undefined ? [] : [variableOf(authentication)],
    ),
    ...remoteWrite.flatMap(({ headers }) => secretsIn(headers).map(([, variable]) => variable)),
  ]);
}

/** What is sent to receivers as these settings say, in each form in which it is sent. */
export function secretsSent(settings: Settings, environment: Environment): readonly string[] {
  const { remoteWrite, alertmanagers } = settings;
  const values = [...variablesOf(settings)].map((name) => environment[name] ?? '');
  const basic = [...remoteWrite, ...alertmanagers].flatMap(({ authentication }) =>
    authentication?.kind === 'basic'
      ? [
          encodeCredentials({
            username: authentication.username,
            password: environment[authentication.passwordEnv] ?? '',
          }),
        ]
      : [],
  );
  return [...values, ...basic];
}

/** The names of headers whose values are secret, each with its variable. */
export function secretsIn(headers: Headers): readonly (readonly [name: string, variable: string])[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    value.kind === 'secret' ? [[name, value.env] as const] : [],
  );
}

/** The variable that holds the secret. */
export function variableOf(authentication: Authentication): string {
  return authentication.kind === 'basic' ? authentication.passwordEnv : authentication.credentialsEnv;
}

/** What a Prometheus cannot send of these settings, and why; undefined if it can send all. */
export function headerProblem({ remoteWrite }: Settings, { headersInFiles, version }: Features): string | undefined {
  if (headersInFiles || !remoteWrite.some(({ headers }) => secretsIn(headers).length > 0)) return undefined;
  const present = version === undefined ? 'the version of this one is not known yet' : `this one is ${version}`;
  return `nothing is sent to where a header takes its value from a variable: that needs Prometheus 2.55 or newer, and ${present}`;
}
