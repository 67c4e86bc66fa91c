import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { it, type TestContext } from 'node:test';
import { startProgram, type Program } from '../support/program.ts';
import { until } from '../support/until.ts';
import { createClient } from './client.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

it('starts a Tsuru with a demo app, says how to use it, and leaves nothing behind after Ctrl-C', async (t) => {
  const { program, url, token } = await startMain(t);
  const pids = await unitPids(url, token);
  assert.equal(pids.length, 3);
  program.kill('SIGINT');
  assert.equal(await program.end, 0);
  await until('no units', () => !pids.some(isAlive));
});

it('leaves nothing behind when it is told to end before it is ready', async (t) => {
  const program = start(t, '--port', '0');
  await until('its start', () => process.platform !== 'linux' || true);
  program.kill('SIGTERM');
  assert.ok([0, 'SIGTERM'].includes(await program.end));
});

it('leaves nothing behind even when it is killed', async (t) => {
  const { program, url, token } = await startMain(t);
  const pids = await unitPids(url, token);
  program.kill('SIGKILL');
  await program.end;
  await until('no units', () => !pids.some(isAlive));
});

it('takes another port when the usual one is taken, but not when a port was asked for', async (t) => {
  const taken = createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const address = taken.address();
  assert.ok(address !== null && typeof address === 'object');
  const program = start(t, '--port', String(address.port));
  assert.equal(await program.end, 1);
  assert.deepEqual(program.lines, [`Port ${address.port} is taken; try another, or leave --port out.`]);
});

for (const [args, sentence] of [
  [['--bogus'], "Unknown option '--bogus'. See --help."],
  [['extra'], "Unexpected argument 'extra'. See --help."],
  [['--port', 'high'], '--port must be a number from 0 to 65535, not "high". See --help.'],
] as const) {
  it(`refuses ${args.join(' ')} with one sentence`, async (t) => {
    const program = start(t, ...args);
    assert.equal(await program.end, 2);
    assert.equal(program.lines.length, 1);
    assert.ok(program.lines[0]?.startsWith(sentence.slice(0, 20)), program.lines[0]);
  });
}

it('explains itself', async (t) => {
  const program = start(t, '--help');
  assert.equal(await program.end, 0);
  assert.match(program.lines.join('\n'), /^npm run local-tsuru .*POST \/local\/faults/s);
});

function start(t: TestContext, ...args: string[]): Program {
  const program = startProgram({ command: process.execPath, args: [MAIN, ...args] });
  t.after(() => program.stop());
  return program;
}

async function startMain(t: TestContext): Promise<{ program: Program; url: string; token: string }> {
  const program = start(t, '--port', '0');
  const exported = (name: string) =>
    program.lines.map((line) => new RegExp(`^ *export ${name}=(.*)$`).exec(line)?.[1]).find((value) => value !== undefined);
  const token = await until('the token', () => exported('TSURU_TOKEN'));
  return { program, token, url: exported('TSURU_TARGET') ?? '' };
}

/** By what the kernel knows: who listens on the units' addresses is asked for its own pid. */
async function unitPids(url: string, token: string): Promise<number[]> {
  const { body } = await createClient(url, token).call('GET', '/1.0/apps/my-app');
  const { units } = JSON.parse(body) as { units: { InternalIP: string }[] };
  return Promise.all(
    units.map(async ({ InternalIP }) => Number(await (await fetch(`http://${InternalIP}:8888/pid`)).text())),
  );
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
