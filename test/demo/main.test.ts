import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../support/program.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

describe('the arguments of the demo', { concurrency: 2 }, () => {
  for (const [args, problem] of [
    [['--apps', 'many'], '--apps must be a number, not "many"'],
    [['--units', '3'], '--units needs --apps'],
    [['--apps', '1000'], '--apps times --units must be at most 5000'],
    [['--apps', '3', '--once'], '--apps cannot be given with --once, which walks through my-app alone'],
  ] as const) {
    it(`that make no sense are refused in one sentence: ${args.join(' ')}`, async () => {
      const program = startProgram({ command: process.execPath, args: [MAIN, ...args] });
      assert.equal(await program.end, 2);
      assert.deepEqual(program.lines, [`${problem}. See "npm run demo -- --help".`]);
    });
  }
});
