import { execFile } from 'node:child_process';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from './folder.ts';

const run = promisify(execFile);
const RANGE_S = 2 * 3600;

/**
 * Fills a data folder with real blocks, one for two hours each, and returns their names, oldest first. Each has the series `old` with its
 * number from 1 on as the value of its samples.
 */
export async function makeBlocks(dataFolder: string, count: number): Promise<readonly string[]> {
  // promtool reserves far more room than a small volume has.
  await using folder = await temporaryFolder();
  const end = Math.floor(Date.now() / 1000 / RANGE_S) * RANGE_S;
  const samples = Array.from({ length: count }, (_, index) => {
    const start = end - (count - index) * RANGE_S;
    return [`old ${index + 1} ${start + 60}`, `old ${index + 1} ${start + RANGE_S - 60}`];
  });
  const input = join(folder.path, 'samples');
  const output = join(folder.path, 'blocks');
  await writeFile(input, ['# TYPE old gauge', ...samples.flat(), '# EOF', ''].join('\n'));
  await run('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', input, output]);
  await cp(output, dataFolder, { recursive: true });
  const names = await blocksIn(output);
  const starts = await Promise.all(
    names.map(async (name) => {
      const meta = JSON.parse(await readFile(join(output, name, 'meta.json'), 'utf8')) as { readonly minTime: number };
      return [meta.minTime, name] as const;
    }),
  );
  return starts.sort(([a], [b]) => a - b).map(([, name]) => name);
}

/** The blocks of a data folder by name. */
export async function blocksIn(dataFolder: string): Promise<readonly string[]> {
  return (await readdir(dataFolder)).filter((name) => /^[0-9A-Z]{26}$/.test(name)).sort();
}
