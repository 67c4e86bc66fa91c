import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { RunningAgent } from '../support/agent.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld } from '../support/world.ts';

/** Waits until the agent says that Prometheus is, or is not, in sync. */
async function untilSync(agent: RunningAgent, inSync: boolean, timeoutMs?: number): Promise<void> {
  await until(
    `in_sync ${inSync}`,
    async () => (await agent.metric('tsuru_agent_in_sync')) === (inSync ? 1 : 0),
    timeoutMs,
  );
}

/** In a user namespace of its own, where the kernel gives this many inotify instances. */
function withInotify(instances: number): string[] {
  const script = `echo ${instances} > /proc/sys/user/max_inotify_instances && exec "$@"`;
  return ['unshare', '--user', '--map-root-user', 'sh', '-c', script, 'sh'];
}

describe('what Prometheus has loaded', { concurrency: 4 }, () => {
  it('is proven after each change: when in_sync says so, Prometheus has exactly these targets', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 3);
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    await untilSync(agent, true);
    assert.equal((await prometheus.targets()).length, 3);

    // As many targets as before, but all at another port: counting them proves nothing.
    await world.annotate('my-app', { 'prometheus.io/port': '9100' });
    await until('the new port written', async () => (await readFile(agent.targetsFile, 'utf8')).includes(':9100"'));
    await untilSync(agent, true);
    const targets = await prometheus.targets();
    assert.deepEqual([...new Set(targets.map(({ url }) => new URL(url).port))], ['9100']);

    const { sync } = await agent.status();
    assert.equal(sync.inSync, true);
    assert.ok(Date.parse(sync.since ?? '') <= Date.now());
    assert.equal(await agent.metric('tsuru_agent_load_duration_seconds_count'), 2);
  });

  it('is proven after an annotation is taken away, too: the old target has all the new labels, and more', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    await world.annotate('my-app', { 'prometheus.io/path': '/stats?format=text' });
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    await untilSync(agent, true);
    const annotations = [{ name: 'prometheus.io/path', delete: true }];
    await world.admin.call('PUT', '/1.0/apps/my-app', { json: { metadata: { annotations }, noRestart: true } });
    await until('the path gone', async () => !(await readFile(agent.targetsFile, 'utf8')).includes('/stats'));
    await untilSync(agent, true);
    const paths = (await prometheus.targets()).map(({ url }) => new URL(url).pathname);
    assert.deepEqual(paths, ['/metrics', '/metrics']);
  });

  it('is proven at once after a scale in, too, without a reported problem', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 5);
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    await untilSync(agent, true);
    await world.removeUnits('my-app', 3);
    await until('2 targets in sync', async () => {
      const { sync, lastWrite } = await agent.status();
      return sync.inSync && lastWrite.targets === 2;
    });
    assert.equal((await prometheus.targets()).length, 2);
    await world.instance.unbind('my-app');
    await until('no targets in sync', async () => {
      const { sync, lastWrite } = await agent.status();
      return sync.inSync && lastWrite.targets === 0;
    });
    assert.deepEqual(await prometheus.targets(), []);
    assert.ok(!agent.log().some(({ msg }) => String(msg).includes('has not loaded')));
  });

  it('is unknown while Prometheus is gone, and proven again when it is back', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    const agent = await world.startAgent();
    const first = await world.startPrometheus();
    await untilSync(agent, true);
    await first.stop();
    await untilSync(agent, false, 60_000);
    await until('the problem', async () => (await agent.status()).sync.problem?.includes('Prometheus does not answer'));
    const second = await world.startPrometheus();
    await untilSync(agent, true);
    assert.equal((await second.targets()).length, 2);
  });

  it('is unproven when its file discovery has stalled, which is recognised and restarted', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus({ wrapper: withInotify(0) });
    await until(
      'the death noticed',
      async () => ((await agent.metric('tsuru_agent_discovery_revivals_total')) ?? 0) >= 1,
      60_000,
    );
    assert.ok(agent.log().some(({ msg }) => String(msg).includes('file discovery is dead: it cannot watch files')));
    assert.deepEqual(await prometheus.targets(), []);

    const raise = 'echo 100 > /proc/sys/user/max_inotify_instances';
    await promisify(execFile)('nsenter', [
      '--target',
      String(prometheus.program.pid),
      '--user',
      '--preserve-credentials',
      'sh',
      '-c',
      raise,
    ]);
    await untilSync(agent, true, 120_000);
    assert.equal((await prometheus.targets()).length, 2);
  });
});

describe('an agent that gets no inotify itself', () => {
  it('reports that, and polls for changes of rules', async () => {
    await using world = await startWorld({ images: silentImages });
    const agent = await world.startAgent({ wrapper: withInotify(0) });
    await world.startPrometheus();
    await until('the first configuration loaded', async () => (await agent.status()).configuration.loaded !== null);
    assert.ok(agent.log().some(({ msg }) => String(msg).includes('the kernel has no watches left')));
    await world.writeRule('up.yml', 'groups: [{ name: up, rules: [{ record: up_copy, expr: up }] }]');
    await until('a second reload', async () => ((await agent.metric('tsuru_agent_reloads_total')) ?? 0) >= 2);
  });
});
