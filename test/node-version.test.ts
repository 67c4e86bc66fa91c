import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startProgram } from './support/program.ts';

/** What an older Node has run before anything else. */
const OLD = `data:text/javascript,${encodeURIComponent("Object.defineProperty(process.versions, 'node', { value: '20.20.2' })")}`;

for (const name of ['agent', 'broker']) {
  const folder = fileURLToPath(new URL(`../${name}`, import.meta.url));

  it(`the ${name} says in one sentence which Node it needs, where it is started with an older one`, async () => {
    const program = startProgram({ command: process.execPath, args: ['--import', OLD, folder] });
    assert.equal(await program.end, 2);
    assert.deepEqual(program.lines, [
      `The ${name} needs Node 24 or later, and this is Node 20.20.2: use "npm run ${name}", which brings its own.`,
    ]);
  });

  it(`the ${name} starts from its folder with this Node`, async () => {
    const program = startProgram({ command: process.execPath, args: [folder, '--version'] });
    assert.equal(await program.end, 0);
    assert.match(program.lines.join(), /^\d+\.\d+\.\d+$/);
  });
}
