import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { sampleOf } from '../../agent/prometheus/api/exposition.ts';
import { peakShare, startSmallInstance, type SmallInstance } from '../support/small-instance.ts';
import { until } from '../support/until.ts';

const MIB = 2 ** 20;
/** The watchdog of the volume acts at 85 %. */
const FULL_SHARE = 0.85;

/** That Prometheus took all it was given, and never died. */
async function assertWell({ agent, prometheus }: SmallInstance): Promise<void> {
  const words = agent.log().map((line) => JSON.stringify(line));
  assert.deepEqual(
    words.filter((line) => /commit failed|no space left|panic/i.test(line)),
    [],
  );
  assert.equal((await agent.status()).prometheus.process?.crashes, 0);
  assert.equal(sampleOf(await prometheus.metrics(), 'prometheus_tsdb_wal_writes_failed_total'), 0);
}

/** The series in memory at this moment: a query would tell those of the last scrape, before the pause. */
async function seriesOf({ prometheus }: SmallInstance): Promise<number> {
  return sampleOf(await prometheus.metrics(), 'prometheus_tsdb_head_series') ?? NaN;
}

/** That each of an app's units was scraped without a gap of more than some seconds, and just now. */
async function assertNewest({ prometheus }: SmallInstance, app: string, units: number, seconds = 5): Promise<void> {
  const ages = await prometheus.query(`time() - timestamp(up{tsuru_app="${app}"} == 1)`);
  assert.equal(ages.size, units);
  for (const [unit, age] of ages) assert.ok(age < seconds, `${unit} was scraped ${age} s ago`);
  const lowest = await prometheus.query(`min_over_time(up{tsuru_app="${app}"}[1m])`);
  assert.deepEqual(
    [...lowest.values()],
    Array.from({ length: units }, () => 1),
  );
}

async function pidOf({ agent }: SmallInstance): Promise<number> {
  return until('a Prometheus', () =>
    Number(agent.log().findLast(({ msg }) => msg === 'Prometheus is started')?.['pid']),
  );
}

async function problemsOf({ agent }: SmallInstance, app: string): Promise<string> {
  const { apps } = await agent.status();
  return apps.find(({ name }) => name === app)?.problems.join('; ') ?? '';
}

describe("an instance's capacity, on a real tmpfs", { concurrency: 2 }, () => {
  it('is not exceeded by ten times the targets that fit: small apps are scraped as ever, the large one less and in part', async () => {
    await using instance = await startSmallInstance({ volumeMib: 64, apps: { blog: [2, 150], huge: [50, 3_000] } });
    const { agent } = instance;
    const peak = await peakShare(instance, 60);
    assert.ok(peak < FULL_SHARE, `${peak}`);
    await assertWell(instance);
    await assertNewest(instance, 'blog', 2);
    await instance.prometheus.untilTargets(
      'one of the large ones up',
      (all) => all.some(({ labels, health }) => labels['tsuru_app'] === 'huge' && health === 'up'),
      90_000,
    );
    assert.match(await problemsOf(instance, 'huge'), /over capacity: scraped every \S+ instead of every 1s/);
    assert.equal(await problemsOf(instance, 'blog'), '');
    const { apps, capacity } = await agent.status();
    const huge = apps.find(({ name }) => name === 'huge');
    assert.ok(huge !== undefined && huge.targets > 0 && huge.leftOut > 0);
    const out = huge.units.find((one) => 'leftOut' in one);
    assert.match(
      out !== undefined && 'leftOut' in out ? out.leftOut : '',
      /over capacity: needs room for 3,000 samples per scrape; .*larger plan/,
    );
    assert.equal(await agent.metric('tsuru_agent_units_left_out{reason="no_capacity"}'), huge.leftOut);
    assert.ok(capacity !== undefined && capacity.load > 0.5 && capacity.load <= 1, `load ${capacity?.load}`);
    assert.equal(await agent.metric('tsuru_agent_budget_load_ratio'), capacity.load);
    assert.equal(await agent.metric('tsuru_agent_volume_size_bytes'), 64 * MIB);
    // The least as soon as blocks are made for this load, which is measured for a minute first.
    const retentionMib = Number(await agent.metric('tsuru_agent_retention_size_bytes')) / MIB;
    assert.ok(retentionMib >= 35 && retentionMib <= 44, `${retentionMib} MiB`);
    assert.equal(await agent.metric('tsuru_agent_guard_steps'), 0);
    // What a container on a read-only disk with its data in memory is promised.
    const io = await readFile(`/proc/${await pidOf(instance)}/io`, 'utf8');
    assert.match(io, /^write_bytes: 0$/m);
  });

  it('is not exceeded by targets that suddenly expose ten times the samples: only those fail or wait', async () => {
    const apps = { blog: [2, 150], shop: [12, 900] } as const;
    await using instance = await startSmallInstance({ volumeMib: 256, apps });
    const { agent, exposes, prometheus } = instance;
    await prometheus.untilTargets('all up', (all) => all.length === 14 && all.every(({ health }) => health === 'up'));
    await until('the samples known', async () => ((await agent.metric('tsuru_agent_budget_load_ratio')) ?? 0) > 0.5);
    const before = await prometheus.targets();
    exposes.set('shop', { series: 9_000 });
    const peak = await peakShare(instance, 75);
    assert.ok(peak < FULL_SHARE, `${peak}`);
    // Blocks for the new load take a restart of Prometheus, which may be under way just now.
    await until('all samples taken, and the small app scraped as ever', async () => {
      await assertWell(instance);
      await assertNewest(instance, 'blog', 2);
      return true;
    });
    assert.match(await problemsOf(instance, 'shop'), /over capacity|instead of every 1s/);
    assert.equal(await problemsOf(instance, 'blog'), '');
    const { capacity } = await agent.status();
    assert.ok(capacity !== undefined && capacity.load <= 1);
    assert.equal(before.length, 14);
  });

  it('is not exceeded by targets that explode: they fail where they are, others lose nothing, and they are back once they fit', async () => {
    await using instance = await startSmallInstance({
      volumeMib: 64,
      memoryMib: 340,
      apps: { blog: [2, 150], boom: [1, 500] },
    });
    const { agent, exposes, prometheus } = instance;
    const areUp = (all: readonly { readonly health: string }[]): boolean =>
      all.length === 3 && all.every(({ health }) => health === 'up');
    await prometheus.untilTargets('all up', areUp);
    await until('the samples known', async () => ((await agent.status()).capacity?.load ?? 0) > 0.1);
    const before = await readFile(agent.targetsFile, 'utf8');
    exposes.set('boom', { series: 20_000 });
    await until(
      'boom to be over capacity',
      async () => (await agent.status()).apps.find(({ name }) => name === 'boom')?.leftOut === 1,
      90_000,
    );
    // Were its scrapes ended, Prometheus 2 would make all its series two intervals later, by their stale markers.
    await wait(5_000);
    const boom = (await agent.status()).apps.find(({ name }) => name === 'boom');
    assert.match(JSON.stringify(boom?.units), /over capacity: needs room for 20,000 samples per scrape/);
    assert.ok((await seriesOf(instance)) < 10_000);
    assert.equal(await readFile(agent.targetsFile, 'utf8'), before);
    await assertNewest(instance, 'blog', 2);
    exposes.set('boom', { series: 500 });
    await until(
      'boom to be scraped again',
      async () => (await agent.status()).apps.find(({ name }) => name === 'boom')?.targets === 1,
      90_000,
    );
    await prometheus.untilTargets('all up again', areUp);
    assert.equal(await readFile(agent.targetsFile, 'utf8'), before);
    await assertWell(instance);
  });

  it('is not exceeded by answers larger than the whole budget: they are not parsed, and others lose nothing', async () => {
    const memoryMib = 288;
    await using instance = await startSmallInstance({
      volumeMib: 64,
      memoryMib,
      apps: { blog: [2, 150], boom: [3, 500] },
    });
    const { exposes, prometheus } = instance;
    const isUp = (name: string) => (all: readonly { readonly labels: object; readonly health: string }[]) =>
      all.filter(({ labels, health }) => Object.values(labels).includes(name) && health === 'up').length;
    await prometheus.untilTargets('all up', (all) => isUp('boom')(all) === 3 && isUp('blog')(all) === 2);
    exposes.set('boom', { series: 50_000 });
    await prometheus.untilTargets('boom down', (all) => isUp('boom')(all) === 0);
    await wait(15_000);
    await until('the remedy', async () => (await problemsOf(instance, 'boom')).includes('larger plan'));
    assert.ok((await seriesOf(instance)) < 5_000);
    const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(await readFile(`/proc/${await pidOf(instance)}/status`, 'utf8'));
    assert.ok(Number(anonymous?.[1]) / 1024 < memoryMib - 128 - 64, `${anonymous?.[1]} kB`);
    await assertNewest(instance, 'blog', 2);
    exposes.set('boom', { series: 500 });
    await prometheus.untilTargets('boom up again', (all) => isUp('boom')(all) === 3);
    await assertWell(instance);
  });

  it('is kept by less retention and longer intervals when foreign files fill the volume, and status, log and metrics show that', async () => {
    await using instance = await startSmallInstance({ volumeMib: 64, apps: { blog: [2, 150] } });
    const { agent, prometheus, path } = instance;
    await prometheus.untilTargets('both up', (all) => all.length === 2 && all.every(({ health }) => health === 'up'));
    const before = Number(await agent.metric('tsuru_agent_retention_size_bytes')) / MIB;
    const half = Math.floor(before / 2);
    const filler = join(path, 'filler');
    await writeFile(filler, Buffer.alloc(58 * MIB));
    await until('the first step', async () => (await agent.status()).capacity?.steps === 1);
    assert.equal(await agent.metric('tsuru_agent_guard_steps'), 1);
    assert.equal(await agent.metric('tsuru_agent_retention_size_bytes'), half * MIB);
    const { problems } = await agent.status();
    const sentence = problems.find((problem) => problem.startsWith('the data take 9'));
    assert.match(
      sentence ?? '',
      new RegExp(`of 64 MiB: older blocks are deleted down to ${half} MiB and apps are scraped 2 times less`),
    );
    assert.ok(agent.log().some(({ msg }) => String(msg).startsWith('the data take 9')));
    await until('the retention in Prometheus', async () =>
      new RegExp(`^${half}(\\.0+)?MiB| or ${half}(\\.0+)?MiB`).test(
        String((await prometheus.get('/api/v1/status/runtimeinfo'))['storageRetention']),
      ),
    );
    const slower = (all: readonly { interval: string; health: string }[]): boolean =>
      all.length === 2 && all.every(({ interval, health }) => interval === '2s' && health === 'up');
    await prometheus.untilTargets('both up at 2s', slower);
    await rm(filler);
    await until('room', async () => ((await agent.metric('tsuru_agent_volume_used_bytes')) ?? MIB ** 2) < 32 * MIB);
    assert.equal(await agent.metric('tsuru_agent_guard_steps'), 1, 'undone after minutes, not at once');
    await assertWell(instance);
  });

  it('is not exceeded by apps that make new series with each scrape: they are paused before memory runs out', async () => {
    const memoryMib = 288;
    await using instance = await startSmallInstance({
      volumeMib: 64,
      apps: { blog: [2, 150], leaky: [4, 500] },
      memoryMib,
    });
    const { agent, prometheus, exposes } = instance;
    exposes.set('leaky', { series: 500, churning: 400 });
    const paused = await until(
      'leaky to be paused',
      async () => {
        const { capacity, problems } = await agent.status();
        return capacity?.pausedApps.includes('leaky') && { capacity, problems };
      },
      90_000,
    );
    assert.deepEqual(paused.capacity.pausedApps, ['leaky']);
    await prometheus.untilTargets('blog only', (all) => all.every(({ labels }) => labels['tsuru_app'] === 'blog'));
    const atPause = await seriesOf(instance);
    await wait(15_000);
    const status = await agent.status();
    assert.match(
      status.problems.join(),
      /leaky made most of them and is not scraped until there is room; most often labels/,
    );
    const leaky = status.apps.find(({ name }) => name === 'leaky');
    assert.deepEqual([leaky?.targets, leaky?.leftOut], [0, 4]);
    assert.equal(await agent.metric('tsuru_agent_apps_paused'), 1);
    assert.equal(await agent.metric('tsuru_agent_memory_limit_bytes'), memoryMib * MIB);
    const later = await seriesOf(instance);
    assert.ok(later < atPause + 500, `${atPause} series when it was paused, ${later} later`);
    // What tmpfs and agent leave of the memory.
    const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(await readFile(`/proc/${await pidOf(instance)}/status`, 'utf8'));
    assert.ok(Number(anonymous?.[1]) / 1024 < memoryMib - 128 - 64, `${anonymous?.[1]} kB`);
    await assertWell(instance);
    await assertNewest(instance, 'blog', 2);
  });
});
