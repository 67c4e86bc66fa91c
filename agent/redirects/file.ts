import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, writeWhole } from '../system/files.ts';
import { asArray, asObject, asOptionalText, parseJson, ShapeError } from '../shared/shape.ts';
import { errorText } from '../shared/text.ts';
import { keyOf, type LearnedPath, type LearnedPaths } from './learned-paths.ts';

const FORMAT = 1;
const MODE = 0o600;

/** The learned paths on disk, so that a restart keeps them. */
export interface LearnedPathsFile {
  /** None when the file cannot be used, and `problem` says so. */
  load(): Promise<{ readonly paths: LearnedPaths; readonly problem?: string }>;
  /** @throws the file system's error. */
  save(paths: readonly LearnedPath[]): Promise<void>;
}

export function createLearnedPathsFile(dataFolder: string): LearnedPathsFile {
  const path = join(dataFolder, 'redirects.json');
  return {
    async load() {
      try {
        return { paths: parse(await readFile(path)) };
      } catch (error) {
        const paths: LearnedPaths = new Map();
        if (errorCode(error) === 'ENOENT') return { paths };
        return { paths, problem: `the learned paths cannot be read, so they are learned again: ${errorText(error)}` };
      }
    },
    async save(paths) {
      const text = `${JSON.stringify({ format: FORMAT, paths })}\n`;
      await writeWhole({ temporary: join(dataFolder, 'tmp', 'redirects.json'), path, text, mode: MODE });
    },
  };
}

function parse(text: Buffer): LearnedPaths {
  const { format, paths } = asObject(parseJson([text]), 'the file');
  if (format !== FORMAT) throw new ShapeError(`its format is not ${FORMAT}`);
  return new Map(
    asArray(paths, 'paths').map((raw, index): [string, LearnedPath] => {
      const where = `paths[${index}]`;
      const { app, process, from, to, asked } = asObject(raw, where);
      const { path, query } = asObject(to, `${where}.to`);
      const learned = {
        app: asOptionalText(app, `${where}.app`),
        process: asOptionalText(process, `${where}.process`),
        from: asOptionalText(from, `${where}.from`),
        to: {
          path: asOptionalText(path, `${where}.to.path`),
          query: Object.fromEntries(
            Object.entries(asObject(query, `${where}.to.query`)).map(([name, value]) => [
              name,
              asOptionalText(value, `${where}.to.query.${name}`),
            ]),
          ),
        },
        asked: asArray(asked, `${where}.asked`).map((place) => asOptionalText(place, `${where}.asked`)),
      };
      return [keyOf(learned.app, learned.process), learned];
    }),
  );
}
