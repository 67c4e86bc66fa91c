import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { createApp } from '../tsuru/client.ts';
import { demoImages } from '../tsuru/images.ts';
import { fileURLToPath } from 'node:url';
import type { ActiveTarget } from '../support/prometheus.ts';
import { until } from '../support/until.ts';
import { startWorld } from '../support/world.ts';

/** A condition: this many targets, and all up. */
function allUp(count: number): (targets: readonly ActiveTarget[]) => boolean {
  return (targets) => targets.length === count && targets.every(({ health }) => health === 'up');
}

function units(targets: readonly ActiveTarget[]): string[] {
  return targets.map(({ instance }) => instance);
}

describe('with a real Prometheus', { concurrency: 4 }, () => {
  it('every unit of a bound app is scraped, with its labels', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 3);
    await world.startAgent();
    const prometheus = await world.startPrometheus();
    const targets = await prometheus.untilTargets('3 units up', allUp(3));
    assert.deepEqual(
      units(targets),
      world.tsuru.units('my-app').map(({ name }) => name),
    );
    assert.deepEqual(targets[0]?.labels, {
      job: 'my-app',
      instance: world.tsuru.units('my-app')[0]?.name,
      tsuru_app: 'my-app',
      tsuru_process: 'web',
      tsuru_pool: 'dev',
      tsuru_team: 'shop',
      tsuru_version: '1',
    });
    const samples = await prometheus.query('asked_for{path="/metrics"}');
    assert.equal(samples.size, 3);
  });

  it('scaling out and in is followed', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 2);
    await world.startAgent();
    const prometheus = await world.startPrometheus();
    await prometheus.untilTargets('2 units up', allUp(2));
    await world.addUnits('my-app', 3);
    await prometheus.untilTargets('5 units up', allUp(5));
    await world.removeUnits('my-app', 4);
    await prometheus.untilTargets('1 unit up', allUp(1));
  });

  it('a new version at another port replaces the old one, which is scraped until it is gone', async () => {
    await using world = await startWorld({ delays: { startingMs: 1_500, portsMs: 500 } });
    await world.bindNew('my-app', 2);
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    const old = units(await prometheus.untilTargets('2 old units up', allUp(2)));
    const deployed = world.deploy('my-app', 'shop/app-port9100:2');
    await until('both versions as targets', async () => {
      const text = await readFile(agent.targetsFile, 'utf8');
      return old.every((name) => text.includes(name)) && text.includes('"__meta_tsuru_version":"2"');
    });
    await deployed;
    const now = await prometheus.untilTargets('2 new units up at the new port', (targets) => {
      return allUp(2)(targets) && targets.every(({ url }) => new URL(url).port === '9100');
    });
    assert.ok(now.every(({ instance, labels }) => !old.includes(instance) && labels['tsuru_version'] === '2'));
  });

  it('a unit that crashes stays a target, and is up again when Tsuru has restarted it', async () => {
    const demoApp = fileURLToPath(new URL('../app/main.ts', import.meta.url));
    await using world = await startWorld({
      images: demoImages([process.execPath, demoApp]),
      // Until the test sets it to 0.
      delays: { restartMs: 300_000 },
    });
    await createApp(world.admin, 'my-app', 'shop/my-app:1', 2);
    await world.instance.bind('my-app');
    await world.startAgent();
    const prometheus = await world.startPrometheus();
    const before = await prometheus.untilTargets('2 units up', allUp(2));
    const [crashing] = units(before);
    assert.ok(crashing);
    // After its first end it is started again at once.
    world.tsuru.kill(crashing);
    await until('a restart', () =>
      world.tsuru.units('my-app').some(({ name, restarts, ready }) => name === crashing && restarts === 1 && ready),
    );
    world.tsuru.kill(crashing);
    await prometheus.untilTargets('the crashed unit down', (targets) => {
      return targets.length === 2 && targets.some(({ instance, health }) => instance === crashing && health === 'down');
    });
    world.tsuru.delays.restartMs = 0;
    const after = await prometheus.untilTargets('2 units up again', allUp(2));
    assert.deepEqual(units(after), units(before));
  });

  it('unbinding ends the scraping, of that app alone', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 2);
    await world.bindNew('other', 1);
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    await prometheus.untilTargets('3 units up', allUp(3));
    await world.instance.unbind('my-app');
    const left = await prometheus.untilTargets('1 unit up', allUp(1));
    assert.equal(left[0]?.job, 'other');
    await world.instance.unbind('other');
    await prometheus.untilTargets('no targets', allUp(0));
    assert.equal(await readFile(agent.targetsFile, 'utf8'), '[{"targets": []}]\n');
  });

  it('an app that is removed is no longer scraped', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 1);
    await world.startAgent();
    const prometheus = await world.startPrometheus();
    await prometheus.untilTargets('1 unit up', allUp(1));
    await world.admin.call('DELETE', '/1.0/apps/my-app');
    await prometheus.untilTargets('no targets', allUp(0));
  });

  it('every process is scraped, but for one that opts out, or gives another path and interval', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 1, 'shop/worker:1');
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    const both = await prometheus.untilTargets('both processes up', allUp(2));
    assert.deepEqual(both.map(({ labels }) => labels['tsuru_process']).sort(), ['web', 'worker']);

    await world.annotate('my-app', { 'prometheus.io/scrape': 'false' }, 'worker');
    await world.annotate('my-app', { 'prometheus.io/path': '/stats?full=yes', 'prometheus.io/interval': '2s' });
    await agent.poll();
    const [web] = await prometheus.untilTargets('one process up at the other path', (targets) => {
      return allUp(1)(targets) && targets[0]?.url.endsWith('/stats?full=yes') === true;
    });
    assert.equal(web?.interval, '2s');
    assert.equal(web.timeout, '1s');
    await until(
      'samples of the other path',
      async () => (await prometheus.query('asked_for{path="/stats?full=yes"}')).size === 1,
    );
  });

  it('a process that listens on nothing is down, and the status says which annotation ends that', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 1, 'shop/silent-worker:1');
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    await prometheus.untilTargets('one process up, one down', (targets) => {
      return (
        targets
          .map(({ health }) => health)
          .sort()
          .join() === 'down,up'
      );
    });
    const problems = await until(
      'the suggestion',
      async () => {
        const found = (await agent.status()).apps.flatMap((app) => app.problems);
        return found.length > 0 && found;
      },
      60_000,
    );
    assert.match(
      problems.join(),
      /tsuru metadata set -a my-app -p worker -t annotation prometheus.io\/scrape=false --no-restart/,
    );
  });

  it('a unit with an IPv6 address is scraped', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 1, `shop/ipv6-port${20_000 + (process.pid % 10_000)}:1`);
    await world.startAgent();
    const prometheus = await world.startPrometheus();
    const [target] = await prometheus.untilTargets('1 unit up', allUp(1));
    assert.ok(target?.url.startsWith('http://[::1]:'));
  });

  it('a one-off unit is left out, and the status says so', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 1);
    const oneOff = world.tsuru.runIsolated('my-app');
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    await prometheus.untilTargets('1 unit up', allUp(1));
    const [app] = (await agent.status()).apps;
    const left = app?.units.find(({ unit }) => unit === oneOff.name);
    assert.ok(left !== undefined && 'leftOut' in left);
    assert.match(left.leftOut, /tsuru app run/);
  });

  it('an agent that starts while Tsuru is down goes on from disk', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 2);
    const first = await world.startAgent();
    const prometheus = await world.startPrometheus();
    await prometheus.untilTargets('2 units up', allUp(2));
    first.program.kill('SIGKILL');
    await first.program.end;
    const text = await readFile(first.targetsFile, 'utf8');
    world.tsuru.faults.add({ kind: 'status', status: 503 });

    const second = await world.startAgent();
    await until(
      'a failed poll',
      async () => ((await second.metric('tsuru_agent_polls_failed_total{reason="server_error"}')) ?? 0) > 1,
    );
    assert.equal(await second.metric('tsuru_agent_state_restored'), 1);
    assert.equal((await second.get('/readyz')).status, 200);
    assert.equal(await readFile(second.targetsFile, 'utf8'), text);
    assert.ok(allUp(2)(await prometheus.targets()));
  });
});
