import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { expect } from '../support/instance.ts';
import { startProgram, type Program } from '../support/program.ts';
import { until } from '../support/until.ts';
import { isAlive } from './alive.ts';
import { createClient } from './client.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const UNITS = 3;

it('the local Tsuru starts a demo app, says how to reach Tsuru, and leaves nothing behind after Ctrl-C', async (t) => {
  const program = start(t, '--port', '0');
  const token = await until('the token', () => exported(program, 'TSURU_TOKEN'));
  const admin = createClient(exported(program, 'TSURU_TARGET') ?? '', token);
  const { units } = JSON.parse((await admin.call('GET', '/1.0/apps/my-app')).body) as { units: { Ready: boolean }[] };
  assert.deepEqual(
    units.map(({ Ready }) => Ready),
    Array<boolean>(UNITS).fill(true),
  );
  const pids = await unitPids(program, UNITS);
  program.kill('SIGINT');
  assert.equal(await program.end, 0);
  assert.deepEqual(pids.filter(isAlive), []);
});

it('the local Tsuru has the service prometheus: what it says to try makes an instance that scrapes the app', async (t) => {
  const program = start(t, '--port', '0');
  const token = await until('the token', () => exported(program, 'TSURU_TOKEN'));
  const said = await until('what to try', () => /service-instance-add .+ -t my-team/.exec(program.lines.join('\n')));
  assert.ok(said);
  const admin = createClient(exported(program, 'TSURU_TARGET') ?? '', token);
  const instance = '/services/prometheus/instances/my-instance';
  const form = { name: 'my-instance', owner: 'my-team' };
  await expect(admin.call('POST', '/1.0/services/prometheus/instances', { form }), 201);
  await expect(admin.call('PUT', `/1.13${instance}/apps/my-app`, { form: {} }), 200);
  await until('all units to be up', async () =>
    (await admin.call('GET', `/1.0${instance}`)).body.includes('my-app 3/3'),
  );
  const { body } = await admin.call('GET', '/1.0/apps/prometheus-my-instance/log?lines=100');
  assert.match(body, /the agent follows Tsuru/);
});

it('the local Tsuru leaves nothing behind when it is told to end before its app is ready', async (t) => {
  const program = start(t, '--port', '0');
  const pids = await unitPids(program, 1);
  program.kill('SIGTERM');
  assert.equal(await program.end, 0);
  assert.deepEqual(pids.filter(isAlive), []);
});

it('the local Tsuru leaves nothing behind even when it is killed', async (t) => {
  const program = start(t, '--port', '0');
  const pids = await unitPids(program, UNITS);
  program.kill('SIGKILL');
  await program.end;
  await until('no units', () => !pids.some(isAlive));
});

it('the local Tsuru ends with one sentence when the port that was asked for is taken', async (t) => {
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

const WRONG_ARGUMENTS: readonly (readonly [args: readonly string[], sentence: string])[] = [
  [['--bogus'], "Unknown option '--bogus'. See --help."],
  [['extra'], "Unexpected argument 'extra'. See --help."],
  [['--port', 'high'], '--port must be a number from 0 to 65535, not "high". See --help.'],
];

for (const [args, sentence] of WRONG_ARGUMENTS) {
  it(`refuses ${args.join(' ')} with one sentence`, async (t) => {
    const program = start(t, ...args);
    assert.equal(await program.end, 2);
    assert.deepEqual(program.lines, [sentence]);
  });
}

it('the local Tsuru prints its help', async (t) => {
  const program = start(t, '--help');
  assert.equal(await program.end, 0);
  assert.match(program.lines.join('\n'), /^npm run local-tsuru .*POST \/local\/faults/s);
});

function start(t: TestContext, ...args: readonly string[]): Program {
  const program = startProgram({ command: process.execPath, args: [MAIN, ...args] });
  t.after(() => program.stop());
  return program;
}

function exported(program: Program, name: string): string | undefined {
  const pattern = new RegExp(`^ *export ${name}=(.*)$`);
  return program.lines.map((line) => pattern.exec(line)?.[1]).find((value) => value !== undefined);
}

/** The processes of units, once there are this many. */
function unitPids(program: Program, count: number): Promise<number[]> {
  return until(`${count} units`, async () => {
    const { stdout } = await promisify(execFile)('pgrep', ['-P', String(program.pid)]);
    const pids = stdout.trim().split('\n').map(Number);
    return pids.length >= count && pids;
  });
}
