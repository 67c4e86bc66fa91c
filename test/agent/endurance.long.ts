import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startAgent } from '../../agent/agent.ts';
import { systemClock, type Clock } from '../../agent/shared/clock.ts';
import { readConfig } from '../../agent/config.ts';
import { createLog } from '../../agent/shared/log.ts';
import type { Status } from '../../agent/shared/status.ts';
import { freeAddress } from '../support/address.ts';
import type { AgentOptions, RunningAgent } from '../support/agent.ts';
import { expect } from '../support/instance.ts';
import type { RunningPrometheus } from '../support/prometheus.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld, type World } from '../support/world.ts';

const MINUTE_MS = 60_000;

/** An agent and its Prometheus, which has loaded the two units of my-app. */
async function startInSync(
  world: World,
  options: Partial<AgentOptions> = {},
): Promise<{ agent: RunningAgent; prometheus: RunningPrometheus }> {
  await world.bindNew('my-app', 2);
  const agent = await world.startAgent(options);
  const prometheus = await world.startPrometheus();
  await untilInSync(agent, 2);
  return { agent, prometheus };
}

/** Waits until Prometheus is proven to have exactly this many targets. */
async function untilInSync(agent: RunningAgent, targets: number, timeoutMs = 60_000): Promise<Status> {
  return until(
    `${targets} targets in sync`,
    async () => {
      const status = await agent.status();
      return status.sync.inSync && status.lastWrite.targets === targets && status;
    },
    timeoutMs,
  );
}

function logged(agent: RunningAgent, words: string): number {
  return agent.log().filter(({ msg }) => String(msg).includes(words)).length;
}

async function listen(address: string, answer: RequestListener): Promise<Server> {
  const server = createServer(answer);
  const { hostname, port } = new URL(`http://${address}`);
  server.listen(Number(port), hostname);
  await once(server, 'listening');
  return server;
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}

// Most of these wait for minutes of problem to pass, so all run at once.
describe('during faults', { concurrency: 11 }, () => {
  it('a Prometheus that is not ready for a minute is not reloaded, gets its targets all the same, and is in sync when it is ready', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    let reloads = 0;
    const replaying = await listen(world.prometheusAddress, (request, response) => {
      if (request.url === '/-/reload') reloads++;
      response.writeHead(503).end('Service Unavailable');
    });
    const agent = await world.startAgent();
    await wait(MINUTE_MS);
    assert.equal(reloads, 0);
    const status = await agent.status();
    assert.equal(status.lastWrite.targets, 2);
    assert.match(status.problems.join('\n'), /Prometheus is not ready: Prometheus answered 503/);
    assert.equal((await agent.get('/readyz')).status, 503);
    assert.equal(logged(agent, 'Prometheus does not answer'), 1, 'one line for the minute');
    assert.equal(await agent.metric('tsuru_agent_reloads_total'), 0);
    await closed(replaying);
    await world.startPrometheus();
    await untilInSync(agent, 2);
    assert.equal((await agent.get('/readyz')).status, 200);
  });

  it('a Prometheus that hangs is reported, keeps its targets, and catches up when it continues', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent, prometheus } = await startInSync(world);
    prometheus.program.kill('SIGSTOP');
    await world.addUnits('my-app', 1);
    await world.writeRule('a.yml', 'groups: []');
    await until(
      'the hang told',
      async () => (await agent.status()).problems.join().includes('does not answer'),
      MINUTE_MS,
    );
    assert.equal((await agent.status()).lastWrite.targets, 3);
    assert.equal(await agent.metric('tsuru_agent_in_sync'), 0);
    prometheus.program.kill('SIGCONT');
    await untilInSync(agent, 3);
    assert.equal((await prometheus.targets()).length, 3);
  });

  it('a Prometheus that answers garbage is reported, and its answers are ignored', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    const garbage = await listen(world.prometheusAddress, (_, response) => {
      response.end('<html>\u0000{{{ in sync, surely');
    });
    const agent = await world.startAgent();
    await until(
      'the problem told',
      async () => (await agent.status()).problems.join().includes('has not loaded the last targets'),
      MINUTE_MS,
    );
    assert.equal(await agent.metric('tsuru_agent_in_sync'), 0);
    assert.equal(await agent.metric('tsuru_agent_reload_last_successful'), 0);
    assert.ok((await agent.status()).apps[0]?.units.every((unit) => !('health' in unit)));
    await closed(garbage);
    await world.startPrometheus();
    await untilInSync(agent, 2);
  });

  it('a Prometheus that ends is reported, and has the latest targets once it is back', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent, prometheus } = await startInSync(world);
    prometheus.program.kill('SIGKILL');
    await prometheus.program.end;
    await world.addUnits('my-app', 3);
    await until(
      'the death told',
      async () => (await agent.status()).problems.join().includes('does not answer'),
      MINUTE_MS,
    );
    const again = await world.startPrometheus();
    await untilInSync(agent, 5);
    assert.equal((await again.targets()).length, 5);
    assert.equal(logged(agent, 'Prometheus does not answer'), 1);
  });

  it('an agent that is stopped (SIGSTOP) for a minute does not disturb scraping, and catches up', async () => {
    await using world = await startWorld();
    // No unit is too busy to answer in so long a time, whatever else this machine does.
    const env = { AGENT_SCRAPE_INTERVAL: '10s', AGENT_SCRAPE_TIMEOUT: '10s' };
    const { agent, prometheus } = await startInSync(world, { env });
    agent.program.kill('SIGSTOP');
    await world.addUnits('my-app', 1);
    const deadline = performance.now() + MINUTE_MS;
    while (performance.now() < deadline) {
      const targets = await prometheus.targets();
      assert.equal(targets.length, 2);
      assert.ok(targets.every(({ health }) => health !== 'down'));
      await wait(1_000);
    }
    agent.program.kill('SIGCONT');
    await untilInSync(agent, 3);
  });

  it('an agent whose folder is removed writes targets, state and configuration again', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent, prometheus } = await startInSync(world);
    // The agent may be writing into it at this very moment.
    await rm(join(world.folder, 'agent'), { recursive: true, maxRetries: 5 });
    await until('the target file again', async () =>
      (await readFile(agent.targetsFile, 'utf8')).includes('__meta_tsuru_unit'),
    );
    await world.addUnits('my-app', 1);
    await untilInSync(agent, 3, 90_000);
    assert.equal((await prometheus.targets()).length, 3);
    await world.writeRule('a.yml', 'groups: [{ name: a, rules: [{ record: a, expr: up }] }]');
    await until(
      'the rule loaded',
      async () =>
        (await (await fetch(`${prometheus.url}/api/v1/rules`)).text()).includes('"record"') ||
        (await (await fetch(`${prometheus.url}/api/v1/rules`)).text()).includes('"name":"a"'),
      90_000,
    );
  });

  it('an agent whose clock jumps back an hour writes versions that Prometheus can tell apart, and a stuck agent is not healthy', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    let offsetMs = 0;
    let jumpMs = 0;
    const clock: Clock = {
      ...systemClock,
      wallMs: () => Date.now() + offsetMs,
      nowMs: () => systemClock.nowMs() + jumpMs,
    };
    const result = readConfig({
      TSURU_HOST: world.tsuru.url,
      TSURU_TOKEN: world.instance.token,
      PROMETHEUS_URL: `http://${world.prometheusAddress}`,
      AGENT_LISTEN: `${freeAddress()}:9091`,
      AGENT_DATA_DIR: join(world.folder, 'agent'),
      AGENT_POLL_INTERVAL: '300ms',
    });
    assert.ok(result.ok);
    const stop = new AbortController();
    const agent = await startAgent(result.config, {}, createLog('silent', []), clock, stop.signal);
    const status = async (): Promise<Status> => (await (await fetch(`${agent.url}/tsuru/status`)).json()) as Status;
    const untilTargets = (count: number): Promise<boolean> =>
      until(
        `${count} targets in sync`,
        async () => {
          const { sync, lastWrite } = await status();
          return sync.inSync && lastWrite.targets === count;
        },
        MINUTE_MS,
      );
    const prometheus = await world.startPrometheus();
    await untilTargets(2);
    offsetMs = -3_600_000;
    for (const count of [3, 4, 5]) {
      await world.addUnits('my-app', 1);
      await untilTargets(count);
      assert.equal((await prometheus.targets()).length, count);
    }
    // Its other clock says that the next poll should have ended long ago.
    assert.equal((await fetch(`${agent.url}/healthz`)).status, 200);
    jumpMs = 20 * MINUTE_MS;
    assert.equal((await fetch(`${agent.url}/healthz`)).status, 503);
    stop.abort();
    await agent.stopped;
  });

  it('an agent whose token is replaced keeps every target, reports that, and follows again with the new token', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent, prometheus } = await startInSync(world);
    const path = `/1.6/tokens/${world.instance.app}`;
    const { body } = await expect(world.admin.call('PUT', path, { form: { regenerate: 'true' } }), 200);
    const { token } = JSON.parse(body) as { token: string };
    const status = await until('the trouble told', async () => {
      const now = await agent.status();
      return now.problems.join().includes('TSURU_TOKEN was removed or replaced') && now;
    });
    assert.equal(status.lastWrite.targets, 2);
    assert.ok(((await agent.metric('tsuru_agent_polls_failed_total{reason="unauthorized"}')) ?? 0) >= 1);
    await agent.stop();
    await world.addUnits('my-app', 1);
    const next = await world.startAgent({ token });
    await untilInSync(next, 3);
    assert.equal((await prometheus.targets()).length, 3);
  });

  it('a Tsuru that flaps every second for a minute costs no target', async () => {
    await using world = await startWorld();
    const { agent, prometheus } = await startInSync(world);
    for (let second = 0; second < 60; second++) {
      if (second % 2 === 0) world.tsuru.faults.add({ kind: 'status', status: 500 });
      else world.tsuru.faults.clear();
      await wait(1_000);
      assert.equal((await prometheus.targets()).length, 2);
    }
    world.tsuru.faults.clear();
    await world.addUnits('my-app', 1);
    await untilInSync(agent, 3);
    assert.equal(logged(agent, 'removed'), 0);
  });

  it('a Tsuru on which 1,000 apps are bound at once has them all scraped, asking for four of them at a time', async () => {
    await using world = await startWorld({ images: silentImages });
    const names = Array.from({ length: 1_000 }, (_, index) => `app-${index}`);
    for (const name of names) await world.bindNew(name);
    world.tsuru.requests.clear();
    const agent = await world.startAgent();
    await world.startPrometheus();
    await untilInSync(agent, 1_000, 2 * MINUTE_MS);
    // Once each, and once more, as a new app may have been deployed a moment before.
    const asked = world.tsuru.requests.count('GET', /^\/1\.0\/apps\/app-\d+$/);
    assert.ok(asked >= 1_000 && asked <= 2_000, String(asked));
    assert.equal(await agent.metric('tsuru_agent_apps'), 1_000);
  });

  it('a Tsuru with an app of 5,000 units has them all scraped', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 5_000);
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    await untilInSync(agent, 5_000, 2 * MINUTE_MS);
    // Another port for all of them: as many targets, and too many to be compared one by one.
    await world.annotate('my-app', { 'prometheus.io/port': '9100' });
    await until('the new port written', async () => (await readFile(agent.targetsFile, 'utf8')).includes(':9100"'));
    await until('not in sync', async () => !(await agent.status()).sync.inSync);
    await untilInSync(agent, 5_000, 2 * MINUTE_MS);
    assert.ok((await prometheus.targets()).every(({ url }) => new URL(url).port === '9100'));
  });
});
