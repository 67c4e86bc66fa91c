import assert from 'node:assert/strict';
import { mkdir, open, readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryTmpfs } from '../budget/tmpfs.ts';
import type { RunningAgent } from '../support/agent.ts';
import { blocksIn, makeBlocks } from '../support/blocks.ts';
import { until } from '../support/until.ts';
import { startWorld, type World } from '../support/world.ts';

const MIB = 2 ** 20;
const VOLUME_MIB = 64;
const PIECE = Buffer.alloc(4 * MIB, 0);
/** As a file of head chunks begins. */
const HEAD_CHUNKS_HEADER = Buffer.from([0x01, 0x30, 0xbc, 0x91, 1, 0, 0, 0]);

interface Full extends AsyncDisposable {
  readonly world: World;
  readonly path: string;
  readonly agentFolder: string;
  readonly data: string;
}

/** A Tsuru with an app, and a tmpfs for the agent that is not started yet. */
async function prepare(files?: number): Promise<Full> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryTmpfs(VOLUME_MIB * MIB, files === undefined ? {} : { files }));
  const world = stack.use(await startWorld());
  await world.bindNew('my-app');
  const agentFolder = join(path, 'agent');
  const data = join(agentFolder, 'data');
  await mkdir(data, { recursive: true });
  const all = stack.move();
  return { world, path, agentFolder, data, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Writes files with these names until the volume is full to its last byte. Returns how many there are. */
async function fill(folder: string, nameOf: (index: number) => string, header = Buffer.alloc(0)): Promise<number> {
  await mkdir(folder, { recursive: true });
  for (let index = 0; ; index++) {
    const file = await open(join(folder, nameOf(index)), 'w');
    try {
      await file.writeFile(Buffer.concat([header, PIECE.subarray(header.length)]));
    } catch (error) {
      assert.match(String(error), /ENOSPC/);
      return index + 1;
    } finally {
      await file.close();
    }
  }
}

async function freeMib(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return (bavail * bsize) / MIB;
}

/** That Prometheus runs and scrapes; returns the status. */
async function start({ world, agentFolder }: Full): Promise<RunningAgent> {
  const { agent, prometheus } = await world.startSupervised({ folder: agentFolder });
  await prometheus.untilTargets('it up', (all) => all.length === 1 && all[0]?.health === 'up');
  return agent;
}

async function lossesOf(agent: RunningAgent): Promise<string> {
  const status = await agent.status();
  const losses = (status.prometheus.process?.losses ?? []).map(({ what }) => what);
  // They are problems as well, and in the log.
  for (const loss of losses) {
    assert.ok(status.problems.some((problem) => problem.startsWith(loss)));
    assert.equal(agent.log().filter(({ msg }) => msg === loss).length, 1);
  }
  assert.equal(await agent.metric('tsuru_agent_prometheus_data_losses_total{cause="full"}'), losses.length);
  return losses.join();
}

const segment = (index: number): string => String(index).padStart(8, '0');

describe('an agent whose volume is full when it starts', { concurrency: 3 }, () => {
  it('deletes the newest WAL segments, only as many as it needs, starts, and tells what was lost', async () => {
    await using full = await prepare();
    const count = await fill(join(full.data, 'wal'), segment);
    assert.equal(await freeMib(full.path), 0);
    const agent = await start(full);
    assert.match(
      await lossesOf(agent),
      /^the volume of \S+ was full \(64 of 64 MiB\): deleted \d newest files of the write-ahead log \(samples from \S+Z to \S+Z\) to make room; choose a larger plan/,
    );
    const left = await readdir(join(full.data, 'wal'));
    assert.ok(left.includes(segment(0)) && left.includes(segment(count - 6)), left.join());
  });

  it('deletes the oldest blocks first, and keeps the WAL', async () => {
    await using full = await prepare();
    const blocks = await makeBlocks(full.data, 12);
    for (const name of blocks) await writeFile(join(full.data, name, 'padding'), PIECE);
    await fill(join(full.data, 'wal'), segment);
    const agent = await start(full);
    assert.match(await lossesOf(agent), /: deleted \d oldest blocks \(samples from \S+Z to \S+Z\) to make room/);
    const left = new Set(await blocksIn(full.data));
    const gone = blocks.filter((name) => !left.has(name));
    assert.ok(gone.length >= 2 && gone.length <= 4, gone.join());
    assert.deepEqual(gone, blocks.slice(0, gone.length));
  });

  it('deletes head chunks when nothing else is left', async () => {
    await using full = await prepare();
    const name = (index: number): string => String(index + 1).padStart(6, '0');
    await fill(join(full.data, 'chunks_head'), name, HEAD_CHUNKS_HEADER);
    const agent = await start(full);
    assert.match(await lossesOf(agent), /deleted \d files of head chunks to make room/);
  });

  for (const folder of ['data/01HQ0000000000000000000000.tmp-for-creation', 'data/wal/checkpoint.00000003.tmp', 'tmp'])
    it(`deletes what lies in ${folder}, which is no loss`, async () => {
      await using full = await prepare();
      await fill(join(full.agentFolder, folder), (index) => `part-${index}`);
      const agent = await start(full);
      assert.equal(await lossesOf(agent), '');
      assert.ok((await freeMib(full.path)) > 30);
    });

  it('deletes damaged data that were set aside before anything else', async () => {
    await using full = await prepare();
    const blocks = await makeBlocks(full.data, 2);
    await fill(join(full.data, 'set-aside'), (index) => `20260101T00000${index}Z-wal`);
    const agent = await start(full);
    assert.match(await lossesOf(agent), /deleted \d damaged parts that had been set aside to make room/);
    assert.deepEqual(await blocksIn(full.data), [...blocks].sort());
    const left = await readdir(join(full.data, 'set-aside'));
    assert.ok(left.length > 5 && !left.includes('20260101T000000Z-wal'), left.join());
  });

  it('frees inodes, too', async () => {
    await using full = await prepare(600);
    const [oldest = '', newest = ''] = await makeBlocks(full.data, 2);
    for (let index = 0; ; index++) {
      const folder = index < 300 ? oldest : newest;
      const written = await writeFile(join(full.data, folder, `file-${index}`), '').then(
        () => true,
        () => false,
      );
      if (!written) break;
    }
    const agent = await start(full);
    assert.match(await lossesOf(agent), /MiB, \d+ of 600 files\): deleted 1 oldest block /);
    assert.deepEqual(await blocksIn(full.data), [newest]);
  });

  it('does the same where its own folder is on another volume', async () => {
    await using full = await prepare();
    await fill(join(full.data, 'wal'), segment);
    const { agent } = await full.world.startSupervised({ env: { AGENT_STORAGE_DIR: full.data } });
    assert.match(await lossesOf(agent), /deleted \d newest files of the write-ahead log/);
  });

  it('deletes nothing when foreign files fill it, reports that, and starts once they are gone', async () => {
    await using full = await prepare();
    const blocks = await makeBlocks(full.data, 2);
    await fill(join(full.path, 'others'), (index) => `file-${index}`);
    const agent = await full.world.startAgent({
      folder: full.agentFolder,
      prometheusUrl: undefined,
      ownPrometheus: full.world.prometheusAddress,
    });
    const problem = await until('it told', async () =>
      (await agent.status()).problems.find((text) => text.includes('are not what fills it')),
    );
    assert.match(
      problem,
      /^the volume of \S+ is full \(64 of 64 MiB\), and Prometheus' data are not what fills it: delete other files there/,
    );
    assert.deepEqual(await blocksIn(full.data), [...blocks].sort());
    await rm(join(full.path, 'others'), { recursive: true });
    await until('it ready', async () => (await agent.get('/readyz')).status === 200);
    assert.equal(await lossesOf(agent), '');
    await until('no problem', async () => (await agent.status()).problems.length === 0);
  });
});

describe('an agent whose volume fills while it runs', () => {
  it('restarts Prometheus with room, so that settings can be written again', async () => {
    await using full = await prepare();
    const [oldest = '', newest = ''] = await makeBlocks(full.data, 2);
    const agent = await start(full);
    await fill(join(full.data, oldest), (index) => `padding-${index}`);
    const losses = await until('the loss', async () => (await lossesOf(agent)) || undefined);
    assert.match(losses, /deleted 1 oldest block/);
    await until('Prometheus', async () => (await agent.get('/readyz')).status === 200);
    assert.deepEqual(await blocksIn(full.data), [newest]);
    await full.world.bindNew('my-other');
    await until('it scraped', async () => (await agent.status()).apps.length === 2);
    await until('all written', async () => (await agent.status()).lastWrite.ok);
  });

  it('deletes damaged data that were set aside first, the oldest first, and takes no step', async () => {
    await using full = await prepare();
    const agent = await start(full);
    const aside = join(full.data, 'set-aside');
    await mkdir(aside);
    const names = Array.from({ length: 14 }, (_, index) => `20260101T0000${10 + index}Z-01HQ0000000000000000000000`);
    for (const name of names) await writeFile(join(aside, name), PIECE);
    const losses = await until('the loss', async () => (await lossesOf(agent)) || undefined);
    assert.match(losses, /deleted \d damaged parts? that had been set aside to make room/);
    const left = (await readdir(aside)).sort();
    assert.ok(left.length >= 10 && left.length < names.length, left.join());
    assert.deepEqual(left, names.slice(-left.length));
    assert.equal((await agent.status()).capacity?.steps, 0);
    assert.equal(await agent.metric('tsuru_agent_prometheus_starts_total'), 1);
  });
});
