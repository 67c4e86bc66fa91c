import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, writeWhole } from '../system/files.ts';
import { asArray, asObject, asOptionalText, parseJson, ShapeError } from '../shared/shape.ts';
import { errorText } from '../shared/text.ts';
import { keyOf, type Learnt, type LearntPaths } from './learnt.ts';

const FORMAT = 1;
const MODE = 0o600;

/** The learnt paths on disk, so that a restart keeps them. */
export interface LearntFile {
  /** None when the file cannot be used, and `problem` says so. */
  load(): Promise<{ readonly paths: LearntPaths; readonly problem?: string }>;
  /** @throws the file system's error. */
  save(paths: readonly Learnt[]): Promise<void>;
}

export function createLearntFile(dataFolder: string): LearntFile {
  const path = join(dataFolder, 'redirects.json');
  return {
    async load() {
      try {
        return { paths: parse(await readFile(path)) };
      } catch (error) {
        const paths: LearntPaths = new Map();
        if (errorCode(error) === 'ENOENT') return { paths };
        return { paths, problem: `the learnt paths cannot be read, so they are learnt anew: ${errorText(error)}` };
      }
    },
    async save(paths) {
      const text = `${JSON.stringify({ format: FORMAT, paths })}\n`;
      await writeWhole({ temporary: join(dataFolder, 'tmp', 'redirects.json'), path, text, mode: MODE });
    },
  };
}

function parse(text: Buffer): LearntPaths {
  const { format, paths } = asObject(parseJson([text]), 'the file');
  if (format !== FORMAT) throw new ShapeError(`its format is not ${FORMAT}`);
  return new Map(
    asArray(paths, 'paths').map((raw, index): [string, Learnt] => {
      const where = `paths[${index}]`;
      const { app, process, from, to, asked } = asObject(raw, where);
      const { path, query } = asObject(to, `${where}.to`);
      const learnt = {
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
      return [keyOf(learnt.app, learnt.process), learnt];
    }),
  );
}
