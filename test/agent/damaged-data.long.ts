import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { blocksIn, makeBlocks } from '../support/blocks.ts';
import type { RunningAgent } from '../support/agent.ts';
import type { PrometheusView } from '../support/prometheus.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld, type World } from '../support/world.ts';

const BLOCKS = 3;

/** What is damaged, how, what the agent reports, and which of the blocks' samples are still there. */
interface Damage {
  readonly title: string;
  readonly damage: (data: string, blocks: readonly string[]) => Promise<void>;
  readonly told: RegExp;
  readonly left: readonly number[];
  /** Whether the samples of the WAL are lost. */
  readonly losesWal?: true;
}

const block = (data: string, blocks: readonly string[], index = 1): string => join(data, blocks[index] ?? '');
const all = [1, 2, 3];
const told = (reason: string): RegExp =>
  new RegExp(`^block [0-9A-Z]{26} is damaged \\(${reason}.*\\) and was moved to \\S+/set-aside: its samples`);

/** Each of these keeps Prometheus 2.42 or 3.x from starting, or is a block that it does not serve. */
const DAMAGES: readonly Damage[] = [
  {
    title: 'a block whose index is garbage',
    damage: (data, blocks) => writeFile(join(block(data, blocks), 'index'), 'garbage'),
    told: told('invalid magic number'),
    left: [1, 3],
  },
  {
    title: 'a block whose index is cut',
    damage: async (data, blocks) => truncate(join(block(data, blocks), 'index'), 100),
    told: told('read TOC'),
    left: [1, 3],
  },
  {
    title: 'two blocks whose index is missing',
    async damage(data, blocks) {
      await rm(join(block(data, blocks, 0), 'index'));
      await rm(join(block(data, blocks, 2), 'index'));
    },
    told: told('try lock file: open .*no such file'),
    left: [2],
  },
  {
    title: 'a block whose chunks are empty',
    damage: (data, blocks) => writeFile(join(block(data, blocks), 'chunks', '000001'), ''),
    told: told('mmap files'),
    left: [1, 3],
  },
  {
    title: 'a block without chunks',
    damage: (data, blocks) => rm(join(block(data, blocks), 'chunks'), { recursive: true }),
    told: told('open .*chunks: no such file'),
    left: [1, 3],
  },
  {
    title: 'a block with garbage for tombstones',
    damage: (data, blocks) => writeFile(join(block(data, blocks), 'tombstones'), 'garbage-garbage'),
    told: told('invalid magic number'),
    left: [1, 3],
  },
  {
    title: 'a block without meta.json',
    damage: (data, blocks) => rm(join(block(data, blocks), 'meta.json')),
    told: told('open .*meta.json: no such file'),
    left: [1, 3],
  },
  {
    title: 'a block whose meta.json is cut',
    damage: (data, blocks) => writeFile(join(block(data, blocks), 'meta.json'), '{"ulid": "'),
    told: told('unexpected end of JSON'),
    left: [1, 3],
  },
  {
    title: 'a damaged block in a folder of another name',
    async damage(data, blocks) {
      await writeFile(join(block(data, blocks), 'index'), 'garbage');
      await rename(block(data, blocks), join(data, '01HQ0000000000000000000000'));
    },
    told: told('invalid magic number'),
    left: [1, 3],
  },
  {
    title: 'a WAL without one of its segments',
    damage: async (data) => rename(join(data, 'wal', '00000001'), join(data, 'wal', '00000002')),
    told: /^1 segment of the write-ahead log is missing: the samples in it are lost, the other segments are read/,
    left: all,
  },
  {
    title: 'a WAL without its first segments',
    async damage(data) {
      await rename(join(data, 'wal', '00000001'), join(data, 'wal', '00000006'));
      await rename(join(data, 'wal', '00000000'), join(data, 'wal', '00000005'));
    },
    told: /^5 segments of the write-ahead log are missing/,
    left: all,
  },
  {
    title: 'a WAL with a folder in the place of a segment',
    damage: async (data) => {
      await mkdir(join(data, 'wal', '00000009'));
    },
    told: /^\d segments? of the write-ahead log (is|are) missing/,
    left: all,
  },
  {
    title: 'a WAL that is a file',
    async damage(data) {
      await rm(join(data, 'wal'), { recursive: true });
      await writeFile(join(data, 'wal'), 'garbage');
    },
    told: /^wal, chunks_head(, wbl)? of Prometheus' data are damaged \(.*not a directory\) and moved to/,
    left: all,
    losesWal: true,
  },
  {
    title: 'a WAL with a damaged record, which Prometheus repairs by deleting what follows',
    async damage(data) {
      const path = join(data, 'wal', '00000000');
      const bytes = await readFile(path);
      await writeFile(path, bytes.fill(0xab, 60, 90));
    },
    told: /^Prometheus found its write-ahead log damaged \(read records: corruption in segment .*\) and deleted the samples that followed: the log as it was is in \S+$/,
    left: all,
    losesWal: true,
  },
  {
    title: 'a checkpoint that is garbage, which Prometheus repairs in the same way',
    async damage(data) {
      await mkdir(join(data, 'wal', 'checkpoint.00000000'));
      await writeFile(join(data, 'wal', 'checkpoint.00000000', '00000000'), Buffer.alloc(1_000, 0xab));
    },
    told: /^Prometheus found its write-ahead log damaged \(backfill checkpoint: .*\) and deleted the samples/,
    left: all,
    losesWal: true,
  },
  {
    title: 'a checkpoint that is garbage, by which Prometheus deletes the WAL and fails to repair it',
    async damage(data) {
      await mkdir(join(data, 'wal', 'checkpoint.00000000'));
      await writeFile(join(data, 'wal', 'checkpoint.00000000', '00000000'), Buffer.alloc(1_000, 0xab));
      await rename(join(data, 'wal', '00000000'), join(data, 'wal', '00000001'));
    },
    told: /^the checkpoint of the write-ahead log is damaged \(backfill checkpoint: .*\) and was moved to/,
    left: all,
  },
  {
    title: 'a checkpoint of the WAL that is a file',
    damage: (data) => writeFile(join(data, 'wal', 'checkpoint.00000077'), 'garbage'),
    told: /^the checkpoint of the write-ahead log is damaged \(.*is not a directory\)/,
    left: all,
  },
  {
    title: 'a log of out-of-order samples without one of its segments',
    async damage(data) {
      await rm(join(data, 'wbl'), { recursive: true, force: true });
      await mkdir(join(data, 'wbl'));
      for (const name of ['00000003', '00000005']) await writeFile(join(data, 'wbl', name), Buffer.alloc(32_768));
    },
    told: /^1 segment of the write-ahead log is missing|^wbl /,
    left: all,
  },
  {
    title: 'head chunks that are garbage',
    damage: (data) => writeFile(join(data, 'chunks_head', '000001'), 'garbage, and more of it'),
    told: /^chunks_head of Prometheus' data is damaged \(.*invalid magic number.*\) and moved to \S+: they are made again from the write-ahead log$/,
    left: all,
  },
  {
    title: 'head chunks without one of their files',
    async damage(data) {
      const header = Buffer.from([0x01, 0x30, 0xbc, 0x91, 1, 0, 0, 0, 0, 0, 0, 0]);
      for (const name of ['000001', '000005']) await writeFile(join(data, 'chunks_head', name), header);
    },
    told: /^chunks_head of Prometheus' data is damaged \(.*unsequential/,
    left: all,
  },
];

/** Data with blocks, and a WAL of two segments with the series `up` of a target. */
async function makeData(world: World): Promise<{ readonly data: string; readonly blocks: readonly string[] }> {
  const data = join(world.folder, 'agent', 'data');
  const blocks = await makeBlocks(data, BLOCKS);
  await world.bindNew('my-app');
  const first = await world.startSupervised();
  await first.prometheus.untilTargets('it scraped', (targets) => targets[0]?.health === 'down');
  await until('its sample', async () => (await first.prometheus.query('up{tsuru_app="my-app"}')).size === 1);
  await first.agent.stop();
  // Each start begins a segment.
  await rm(join(data, 'lock'), { force: true });
  await writeFile(join(data, 'wal', '00000001'), '', { flag: 'a' });
  return { data, blocks };
}

/** The values of the blocks' samples. */
async function valuesOf(prometheus: PrometheusView): Promise<number[]> {
  const counted = await prometheus.get('/api/v1/query?query=old[1d]');
  const results = counted['result'] as readonly { readonly values: readonly (readonly [number, string])[] }[];
  return [...new Set(results.flatMap(({ values }) => values.map(([, value]) => Number(value))))].sort();
}

/** When the target was scraped first, as far as is known, in seconds since 1970. */
async function firstSampleAt(prometheus: PrometheusView): Promise<number> {
  const times = await prometheus.get('/api/v1/query?query=up{tsuru_app="my-app"}[1h]');
  const results = times['result'] as readonly { readonly values: readonly (readonly [number, string])[] }[];
  return Math.min(...results.flatMap(({ values }) => values.map(([seconds]) => seconds)));
}

async function lossesOf(agent: RunningAgent): Promise<readonly string[]> {
  return ((await agent.status()).prometheus.process?.losses ?? []).map(({ what }) => what);
}

describe('a Prometheus whose data are damaged', { concurrency: 3 }, () => {
  for (const { title, damage, told: expected, left, losesWal = false } of DAMAGES)
    it(`by ${title} starts with the rest, which is told once`, async () => {
      await using world = await startWorld({ images: silentImages });
      const { data, blocks } = await makeData(world);
      await damage(data, blocks);
      const damagedAt = Date.now() / 1000;
      const { agent, prometheus } = await world.startSupervised();
      const losses = await until('the loss', async () => {
        const now = await lossesOf(agent);
        return now.length > 0 && now;
      });
      for (const loss of losses) assert.match(loss, expected);
      assert.equal(losses.length, BLOCKS - left.length || 1);
      assert.deepEqual(await valuesOf(prometheus), left);
      assert.equal((await firstSampleAt(prometheus)) > damagedAt, losesWal);
      assert.equal(await agent.metric('tsuru_agent_prometheus_data_losses_total{cause="damaged"}'), losses.length);
      assert.ok((await agent.status()).problems.some((problem) => problem.startsWith(losses[0] ?? '-')));
      assert.equal(agent.log().filter(({ msg }) => msg === losses[0]).length, 1);
      // Nothing is deleted.
      const now = await blocksIn(data);
      const aside = await readdir(join(data, 'set-aside')).catch((): string[] => []);
      assert.equal(now.length + aside.filter((name) => /-[0-9A-Z]{26}$/.test(name)).length, BLOCKS);
      await agent.stop();

      const again = await world.startSupervised();
      assert.deepEqual(await lossesOf(again.agent), []);
      assert.equal((await again.agent.status()).prometheus.process?.crashes, 0);
      assert.deepEqual(await valuesOf(again.prometheus), left);
    });
});
