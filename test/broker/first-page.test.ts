// The first page of the project shows a session in a terminal: it is typed here, and compared with what a user would read.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { until } from '../support/until.ts';
import { runCommand, shownInfo } from '../tsuru/cli-commands.ts';
import { AUTH, startStage, type Stage } from './stage.ts';

const FIRST_PAGE = new URL('../../README.md', import.meta.url);
const RECORDED = new URL('../recorded/cli.json', import.meta.url);

interface Typed {
  readonly command: string;
  readonly output: readonly string[];
}

/** The commands of the first block of the page, each with the lines behind it. */
async function sessionOnFirstPage(): Promise<readonly Typed[]> {
  const [, block = ''] = /^```\n(\$ [^]*?)^```$/m.exec(await readFile(FIRST_PAGE, 'utf8')) ?? [];
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...output] = part.trimEnd().split('\n');
      return { command, output };
    });
}

/** What the real client was recorded to print for a command, without its times and empty lines. */
async function recordedOutput(command: string): Promise<readonly string[]> {
  const recorded = JSON.parse(await readFile(RECORDED, 'utf8')) as readonly {
    readonly command: string;
    readonly output: string;
  }[];
  const output = recorded.find((one) => one.command === command)?.output ?? '';
  return output
    .replaceAll('<time>: ', '')
    .split('\n')
    .filter((line) => line !== '');
}

/** A line of an info with single blanks, and without what each instance has for itself. */
function inGeneral(line: string): string {
  return line
    .replace(/: +/, ': ')
    .replace(/^(Address: http:\/\/).*/, '$1...')
    .replace(/^(User and Password: prometheus \/ ).+/, '$1...');
}

function sayThatAllIsUp(stage: Stage): void {
  const units = ['a', 'b', 'c'].map((unit) => ({
    ...{ unit, process: 'web', status: 'started', version: '1', health: 'up' },
  }));
  const status = { ready: true, problems: [], sync: { inSync: true }, prometheus: { ready: true } };
  const apps = [{ name: 'my-app', units, problems: [] }];
  stage.say(() => ({ status: 200, body: JSON.stringify({ ...status, apps }) }));
}

it('the first page shows what a user reads who adds an instance, binds an app and asks for the info', async () => {
  await using stage = await startStage();
  await stage.createApp('my-app');
  sayThatAllIsUp(stage);
  const service = { name: 'prometheus', endpoint: stage.broker.url, ...AUTH };
  const session = await sessionOnFirstPage();
  assert.equal(session.length, 3);
  const [add, bind, info] = session;
  for (const typed of [add, bind]) {
    const asked = await runCommand(stage.admin, typed?.command ?? '', service);
    assert.ok(asked.length > 0 && asked.every(({ reply }) => reply.status < 400), JSON.stringify(asked));
    assert.deepEqual(
      typed?.output.filter((line) => line !== ''),
      await recordedOutput(typed?.command ?? ''),
    );
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
  }
  const [told, status] = await runCommand(stage.admin, info?.command ?? '', service);
  assert.ok(told !== undefined && status !== undefined);
  assert.deepEqual(
    info?.output.map(inGeneral),
    shownInfo('prometheus', 'my-instance', told.reply, status.reply).map(inGeneral),
  );
});
