import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { lock } from '../../agent/system/lock.ts';
import { lockFlagsOf } from '../../agent/prometheus/api/features.ts';
import { freeAddress } from '../support/address.ts';
import { GATEWAY, type RunningAgent } from '../support/agent.ts';
import { temporaryFolder } from '../support/folder.ts';
import { startProgram, type Program } from '../support/program.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld, type World } from '../support/world.ts';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
const CONTAINER = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];

interface Folders {
  readonly agent: string;
  readonly data: string;
}

/** An agent that is expected to be refused: with other ports than any other. */
function startSecond(world: World, { agent, data }: Folders, wrapper: readonly string[] = []): Program {
  const [command, ...args] = [...wrapper, process.execPath, MAIN];
  return startProgram({
    command,
    args,
    env: {
      ...GATEWAY,
      TSURU_HOST: world.tsuru.url,
      TSURU_TOKEN: world.instance.token,
      AGENT_GATEWAY_ADDRESS: freeAddress(),
      AGENT_LISTEN: `${freeAddress()}:9091`,
      AGENT_PROMETHEUS_LISTEN: `${freeAddress()}:9090`,
      AGENT_STORAGE_DIR: data,
      AGENT_DATA_DIR: agent,
    },
  });
}

function foldersOf(world: World): Folders {
  return { agent: join(world.folder, 'agent'), data: join(world.folder, 'agent', 'data') };
}

async function pidOf(agent: RunningAgent): Promise<number> {
  return until('a Prometheus', () =>
    Number(agent.log().findLast(({ msg }) => msg === 'Prometheus is started')?.['pid']),
  );
}

/** Programs in front of the real ones. */
async function impostor(world: World, name: string, script: string): Promise<Readonly<Record<string, string>>> {
  const folder = join(world.folder, `bin-${name}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, name), 0o755);
  return { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
}

/** Without its setpriv, the kernel does not end Prometheus with its agent; that of the tests themselves asks for another signal. */
const withoutSetpriv = (world: World): Promise<Readonly<Record<string, string>>> =>
  impostor(
    world,
    'setpriv',
    'case "$2" in TERM) exit 1;; esac; real=$(PATH="${PATH#*:}" command -v setpriv); exec "$real" "$@"',
  );

describe('two agents on one folder', { concurrency: 3 }, () => {
  for (const [title, wrapper] of [
    ['', []],
    [', in a container with process numbers of its own,', CONTAINER],
  ] as const)
    it(`are one that goes on, and a second${title} that is refused before it writes anything`, async () => {
      await using world = await startWorld({ images: silentImages });
      const first = await world.startSupervised();
      const pid = await pidOf(first.agent);
      const { agent, data } = foldersOf(world);
      const empty = join(world.folder, 'another');
      for (const [folders, expected] of [
        [{ agent, data }, `Another agent uses ${agent}: stop it first, or set AGENT_DATA_DIR to another folder.`],
        [
          { agent: empty, data },
          `Another agent uses ${data}: stop it first, or set AGENT_STORAGE_DIR to another folder.`,
        ],
      ] as const) {
        const second = startSecond(world, folders, wrapper);
        assert.equal(await second.end, 1);
        // In a container without tini it says that as well.
        const told = second.lines.filter((line) => !line.includes('the agent is process 1'));
        assert.deepEqual(told, [expected]);
      }
      assert.deepEqual(await readdir(empty), []);
      assert.equal(await pidOf(first.agent), pid);
      assert.equal((await first.agent.status()).prometheus.process?.crashes, 0);
      assert.equal(await first.agent.stop(), 0);
      await world.startSupervised();
    });

  it('whose Prometheus outlives its killed agent: the next agent ends it, and runs one', async () => {
    await using world = await startWorld({ images: silentImages });
    const env = await withoutSetpriv(world);
    const first = await world.startSupervised({ env });
    const pid = await pidOf(first.agent);
    first.agent.program.kill('SIGKILL');
    await first.agent.program.end;
    const second = await world.startSupervised({ env });
    // Nobody may have waited for it: then it has a number still, but no command line.
    assert.equal(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), '');
    assert.notEqual(await pidOf(second.agent), pid);
    assert.equal((await second.agent.status()).prometheus.process?.crashes, 0);
  });

  it('whose agent was killed, and whose Prometheus takes its time to end, are waited for', async () => {
    await using world = await startWorld({ images: silentImages });
    const first = await world.startSupervised();
    const pid = await pidOf(first.agent);
    process.kill(pid, 'SIGSTOP');
    first.agent.program.kill('SIGKILL');
    await first.agent.program.end;
    // No note of the number: it is the lock of the data that tells.
    await rm(join(world.folder, 'agent', 'prometheus.json'));
    setTimeout(() => process.kill(pid, 'SIGCONT'), 2_000);
    const second = await world.startSupervised();
    assert.equal((await second.agent.status()).prometheus.process?.crashes, 0);
  });

  it('are refused beside a foreign Prometheus, and start once that has ended', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent, data } = foldersOf(world);
    await mkdir(data, { recursive: true });
    const config = join(world.folder, 'other.yml');
    await writeFile(config, '{}');
    const flags = lockFlagsOf((await run('prometheus', ['--help'])).stdout);
    const address = `${freeAddress()}:9090`;
    const other = startProgram({
      command: 'prometheus',
      args: [`--config.file=${config}`, `--storage.tsdb.path=${data}`, `--web.listen-address=${address}`, ...flags],
    });
    await until('it ready', async () => (await fetch(`http://${address}/-/ready`)).status === 200);
    const files = await readdir(agent, { recursive: true });
    const second = startSecond(world, { agent, data });
    assert.equal(await second.end, 1);
    assert.deepEqual(second.lines, [
      `Another Prometheus uses ${data}: stop it first, or set AGENT_STORAGE_DIR to another folder.`,
    ]);
    assert.deepEqual(await readdir(agent, { recursive: true }), files);
    await other.stop();
    await world.startSupervised();
  });

  it('are reported as unknown without flock, and the agent starts', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent } = await world.startSupervised({ env: await impostor(world, 'flock', 'exit 66') });
    assert.ok(agent.log().some(({ msg }) => String(msg).startsWith('whether another agent uses')));
  });
});

describe("the lock of Prometheus' data", () => {
  it('is taken with a flag where Prometheus does not take it by default', async () => {
    await using world = await startWorld({ images: silentImages });
    const { prometheus } = await world.startSupervised();
    const flags = await prometheus.get('/api/v1/status/flags');
    const isDebian = 'storage.tsdb.use-lockfile' in flags;
    assert.equal(flags[isDebian ? 'storage.tsdb.use-lockfile' : 'storage.tsdb.no-lockfile'], String(isDebian));
    assert.equal((await lock(join(foldersOf(world).data, 'lock'), 0)).kind, 'taken');
  });

  it('needs only flags that the program knows', () => {
    assert.deepEqual(lockFlagsOf('--[no-]storage.tsdb.no-lockfile  Do not create lockfile'), []);
    assert.deepEqual(lockFlagsOf('--storage.tsdb.use-lockfile  Create a lockfile'), ['--storage.tsdb.use-lockfile']);
    assert.deepEqual(lockFlagsOf(''), []);
  });
});

describe('a lock', () => {
  it('is held until it is released, and only by one', async () => {
    await using folder = await temporaryFolder();
    const first = await lock(folder.path, 0);
    assert.equal((await lock(folder.path, 0)).kind, 'taken');
    assert.ok(first.kind === 'locked');
    first.release();
    const second = await lock(folder.path, 0);
    assert.ok(second.kind === 'locked');
    second.release();
    assert.deepEqual(await readdir(folder.path), []);
  });

  it('of a folder that is missing is unknown', async () => {
    await using folder = await temporaryFolder();
    assert.equal((await lock(join(folder.path, 'missing'), 0)).kind, 'unknown');
  });
});
