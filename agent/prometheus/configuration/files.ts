import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, namesIn, writeWhole } from '../../system/files.ts';
import { compareText } from '../../shared/text.ts';

const MODE = 0o644;
const CONFIG = 'prometheus.yml';
const CANDIDATE = 'candidate.yml';
const RULES = 'rules-';
/** All rules of an instance together: thousands of them. */
const LARGEST_RULES_BYTES = 16 * 1024 * 1024;

/** A file of rules. */
export interface RuleFile {
  readonly name: string;
  readonly text: string;
}

/** The folder with the configuration that Prometheus runs, and a copy of the rules that belong to it, which only the agent changes. */
export interface Staging {
  /** What Prometheus is to be started with. */
  readonly configFile: string;
  /** The configuration that is there; undefined if there is none. */
  current(): Promise<string | undefined>;
  /** Copies rules and returns the pattern of their paths. The same rules have the same one. */
  stageRules(rules: readonly RuleFile[]): Promise<string>;
  /** Writes a configuration beside the current one, and returns where. */
  stageConfig(text: string): Promise<string>;
  /** Puts a configuration in place of the current one, at once and whole. */
  replace(text: string): Promise<void>;
  /** Removes the copies of rules that none of these configurations use. */
  removeUnused(configs: readonly string[]): Promise<void>;
}

export function createStaging(dataFolder: string): Staging {
  const folder = join(dataFolder, 'config');
  const configFile = join(folder, CONFIG);
  const write = (path: string, text: string): Promise<void> =>
    writeWhole({ temporary: join(dataFolder, 'tmp', CONFIG), path, text, mode: MODE });

  return {
    configFile,
    async current() {
      try {
        return await readFile(configFile, 'utf8');
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    async stageRules(rules) {
      const digest = createHash('sha256').update(JSON.stringify(rules)).digest('hex').slice(0, 16);
      const staged = join(folder, `${RULES}${digest}`);
      for (const { name, text } of rules) {
        // A copy is never changed, and whole or not there.
        if (!existsSync(join(staged, name))) await write(join(staged, name), text);
      }
      return join(staged, '*');
    },
    async stageConfig(text) {
      const path = join(folder, CANDIDATE);
      await write(path, text);
      return path;
    },
    replace: (text) => write(configFile, text),
    async removeUnused(configs) {
      for (const name of await namesIn(folder)) {
        const isUnused = name.startsWith(RULES) && !configs.some((config) => config.includes(`/${name}/`));
        if (isUnused || name === CANDIDATE) await rm(join(folder, name), { recursive: true, force: true });
      }
    },
  };
}

/**
 * The rules (`*.yml`, `*.yaml`) of a folder in the order of their names; none if there is no such folder.
 * @throws the file system's error, or that they are too large.
 */
export async function readRules(folder: string): Promise<readonly RuleFile[]> {
  const names = await namesIn(folder);
  const rules: RuleFile[] = [];
  let size = 0;
  for (const name of names.filter((candidate) => /^[^.].*\.ya?ml$/.test(candidate)).sort(compareText)) {
    const text = await readFile(join(folder, name), 'utf8');
    size += text.length;
    if (size > LARGEST_RULES_BYTES)
      throw new Error(`the rules in ${folder} are larger than ${LARGEST_RULES_BYTES / 1024 ** 2} MiB`);
    rules.push({ name, text });
  }
  return rules;
}
