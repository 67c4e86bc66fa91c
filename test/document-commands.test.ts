// Runs the blocks of commands of the documents, one after the other, or finds why a block is not run.
import assert from 'node:assert/strict';
import { glob, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from './support/until.ts';
import { commandsOf, SET_UP, startShell, type Shell } from './support/shell.ts';
import { createApp } from './tsuru/client.ts';
import { expect } from './support/instance.ts';

/** In the order in which somebody reads them. */
const DOCUMENTS = [
  'docs/operators.md',
  'docs/users.md',
  'agent/README.md',
  'image/README.md',
  'image/example-app/README.md',
];
/** Run by tests of their own (test/broker/), and what they say of `npm run` by .ci/run. */
const ELSEWHERE = ['README.md', 'broker/README.md', 'CONTRIBUTING.md', 'test/README.md'];
const NOT_OURS = /(^|\/)(node_modules|dist|\.git)($|\/)/;
/** Before the fence of a block of commands that no test runs. */
const MARK = /<!-- not run by a test: .+ -->\s*$/;
const COMMAND = /^(?:\$ )?(?:tsuru|npm|node|broker|curl|cd|git|[A-Z_]+=\S+) /;

interface Block {
  readonly text: string;
  readonly isMarked: boolean;
}

/** The fenced blocks of a document. */
function blocksOf(document: string): readonly Block[] {
  const pieces = document.split(/^ *```[a-z]*\n/m);
  return pieces.flatMap((text, index) =>
    index % 2 === 0 ? [] : [{ text, isMarked: MARK.test(pieces[index - 1] ?? '') }],
  );
}

function isOfCommands({ text }: Block): boolean {
  return COMMAND.test(text.trimStart());
}

async function read(document: string): Promise<readonly Block[]> {
  return blocksOf(await readFile(new URL(`../${document}`, import.meta.url), 'utf8'));
}

/** A file of YAML whose first line names it is what a command reads. */
async function writeFiles({ folder }: Shell, blocks: readonly Block[]): Promise<void> {
  for (const { text } of blocks) {
    const name = /^# ([\w-]+\.yml)\n/.exec(text)?.[1];
    if (name !== undefined) await writeFile(join(folder, name), text);
  }
}

describe('the blocks of commands of the documents', () => {
  it('run one after the other against the local Tsuru, or say why they do not', async () => {
    await using shell = await startShell();
    const { tsuru, admin } = shell;
    const made = await shell.run(SET_UP);
    assert.equal(made.exitCode, 0, made.out);
    await expect(admin.call('POST', '/1.0/teams', { form: { name: 'my-team' } }), 201);
    await createApp(admin, 'my-app', 'shop/worker:1');
    let ran = 0;
    for (const document of DOCUMENTS) {
      const blocks = await read(document);
      await writeFiles(shell, blocks);
      for (const block of blocks.filter((one) => isOfCommands(one) && !one.isMarked)) {
        // In a clone it is this program.
        const script = commandsOf(block.text).replaceAll(
          'npm run broker -- setup',
          SET_UP.replace(/--team.*--endpoint/, '--endpoint'),
        );
        const { exitCode, out } = await shell.run(script);
        assert.equal(exitCode, 0, `${document}:\n${block.text}\n${out}`);
        ran++;
        if (script.includes('service-instance-add'))
          await until('the unit of the instance', () => tsuru.units('prometheus-my-instance').length > 0);
      }
    }
    assert.ok(ran >= 6, String(ran));
  });

  it('are in no document but those that are run here or elsewhere', async () => {
    const known = [...DOCUMENTS, ...ELSEWHERE];
    const cwd = fileURLToPath(new URL('..', import.meta.url));
    for await (const path of glob('**/*.md', { cwd, exclude: (name) => NOT_OURS.test(name) })) {
      if (!known.includes(path)) assert.deepEqual((await read(path)).filter(isOfCommands), [], path);
    }
  });
});
