import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { samplesOf } from '../../agent/prometheus/api/exposition.ts';
import { freeAddress } from '../support/address.ts';
import { GATEWAY, type RunningAgent } from '../support/agent.ts';
import { ownAccess, type PrometheusView } from '../support/prometheus.ts';
import { startInstance } from '../support/running-instance.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld, type World } from '../support/world.ts';

/** Another alert each second: one that Prometheus could not send is sent again only after a minute. */
const ALERTS = 'groups: [{name: a, rules: [{alert: Now, expr: vector(time()), labels: {at: "{{ $value }}"}}]}]';

interface Server extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly IncomingMessage[];
}

async function serve(listener: RequestListener): Promise<Server> {
  const seen: IncomingMessage[] = [];
  const host = freeAddress();
  const server = createServer((request, response) => {
    seen.push(request);
    request.resume();
    listener(request, response);
  }).listen(8080, host);
  await once(server, 'listening');
  return {
    url: `http://${host}:8080`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers every request with a redirect that keeps its method and body. */
function redirectTo(location: () => string): Promise<Server> {
  return serve((_request, response) => {
    response.writeHead(307, { location: location() }).end();
  });
}

function agentFolder({ folder }: World): string {
  return join(folder, 'agent');
}

function sum(page: string, name: string): number {
  return [...samplesOf(page, name)].reduce((total, { value }) => total + value, 0);
}

async function untilGrown(prometheus: PrometheusView, name: string): Promise<void> {
  await until(`${name} to grow`, async () => sum(await prometheus.metrics(), name) > 0);
}

async function assertUntouched(agent: RunningAgent): Promise<void> {
  const { prometheus } = await agent.status();
  assert.deepEqual([prometheus.ready, prometheus.process?.crashes], [true, 0]);
}

function jobUp(prometheus: PrometheusView, job: string): Promise<boolean> {
  return prometheus.query(`up{job="${job}"}`).then((values) => [...values.values()].join() === '1');
}

describe("the lifecycle API of the agent's own Prometheus", { concurrency: 3 }, () => {
  it('is not reached by remote_write, directly or by a redirect', async () => {
    const address = { own: '' };
    await using redirecting = await redirectTo(() => `http://${address.own}/-/quit`);
    await using elsewhere = await serve((_request, response) => void response.end());
    await using leaking = await redirectTo(() => elsewhere.url);
    await using instance = await startInstance({});
    const { world, agent, prometheus, set } = instance;
    address.own = world.prometheusAddress;
    const pid = (await agent.status()).prometheus.process?.startedAt;
    await set({ remote_write: `http://${address.own}/-/quit,${redirecting.url},${leaking.url}` });
    await until('the redirect tried', () => redirecting.seen.length > 0);
    // All answers are final: what was to be sent is given up.
    await untilGrown(prometheus, 'prometheus_remote_storage_samples_failed_total');
    await until(
      'all given up',
      async () =>
        [...samplesOf(await prometheus.metrics(), 'prometheus_remote_storage_samples_failed_total')].filter(
          ({ value }) => value > 0,
        ).length === 3,
    );
    await assertUntouched(agent);
    assert.deepEqual(elsewhere.seen, []);
    assert.equal((await agent.status()).prometheus.process?.startedAt, pid);
  });

  it('is not reached by an Alertmanager that redirects', async () => {
    const address = { own: '' };
    await using redirecting = await redirectTo(() => `http://${address.own}/-/quit`);
    await using instance = await startInstance({});
    const { world, agent, prometheus, set } = instance;
    address.own = world.prometheusAddress;
    await set({ alertmanagers: redirecting.url, rules: ALERTS });
    await untilGrown(prometheus, 'prometheus_notifications_errors_total');
    assert.ok(redirecting.seen.some(({ method }) => method === 'POST'));
    await assertUntouched(agent);
  });

  it('answers 401 to whoever has no secret, and its own jobs, the agent and the guarded port go on', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app');
    const { agent, prometheus } = await world.startSupervised();
    const wrong = { authorization: `Basic ${Buffer.from('agent:wrong').toString('base64')}` };
    for (const path of ['/-/quit', '/-/reload'])
      for (const headers of [{}, wrong]) {
        const { status } = await fetch(`http://${world.prometheusAddress}${path}`, { method: 'POST', headers });
        assert.equal(status, 401, path);
      }
    await prometheus.untilTargets('it up', (all) => all[0]?.health === 'up');
    for (const job of ['prometheus', 'agent']) await until(`${job} up`, () => jobUp(prometheus, job));
    await until('in sync', async () => (await agent.status()).sync.inSync);
  });

  it('has a secret that is on no page, in no log and on no command line, anew at each start', async () => {
    await using world = await startWorld({ images: silentImages });
    const publicHost = freeAddress();
    const env = { AGENT_GATEWAY_ADDRESS: publicHost, AGENT_LOG_LEVEL: 'debug' };
    const { agent } = await world.startSupervised({ env });
    const folder = agentFolder(world);
    const { password } = await ownAccess(folder);
    assert.ok(password.length >= 40);
    for (const name of await readdir(join(folder, 'web')))
      assert.equal((await stat(join(folder, 'web', name))).mode & 0o777, 0o600, name);
    assert.equal((await stat(join(folder, 'web'))).mode & 0o777, 0o700);

    const authorization = `Basic ${Buffer.from(`${GATEWAY.GATEWAY_USERNAME}:${GATEWAY.GATEWAY_PASSWORD}`).toString('base64')}`;
    const pages = ['/api/v1/status/config', '/api/v1/status/flags', '/config', '/flags', '/metrics', '/tsuru/status'];
    const told = await Promise.all(
      pages.map(async (path) =>
        (await fetch(`http://${publicHost}:8888${path}`, { headers: { authorization } })).text(),
      ),
    );
    assert.match(told[0] ?? '', /password_file/);
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
    assert.ok(lines.some((line) => line.includes(`--web.config.file=${folder}`)));
    for (const text of [...told, ...lines, ...agent.program.lines]) assert.ok(!text.includes(password));

    await agent.stop();
    await world.startSupervised();
    assert.notEqual((await ownAccess(folder)).password, password);
  });

  it('asks for the same secret again after its file was removed', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent } = await world.startSupervised();
    await rm(join(agentFolder(world), 'web'), { recursive: true });
    await until('the secret asked for again', async () => {
      await agent.get('/readyz');
      return (await fetch(`http://${world.prometheusAddress}/-/quit`, { method: 'POST' })).status === 401;
    });
    await until('ready again', async () => (await agent.get('/readyz')).status === 200);
    await assertUntouched(agent);
  });

  it('is named in the status when somebody uses it all the same', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent } = await world.startSupervised();
    const { user, password } = await ownAccess(agentFolder(world));
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    await fetch(`http://${world.prometheusAddress}/-/quit`, { method: 'POST', headers: { authorization } });
    const reason = await until(
      'the end told',
      async () => (await agent.status()).prometheus.process?.lastCrash?.reason,
    );
    assert.match(reason, /ended in order with exit code 0, though the agent did not stop it: .*\/-\/quit/);
  });
});

describe('POST /tsuru/poll', () => {
  it('needs the password of the guarded port, and pages that are read need none', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent } = await world.startSupervised();
    const { GATEWAY_USERNAME: user, GATEWAY_PASSWORD: password } = GATEWAY;
    const poll = async (words?: string): Promise<number> => {
      const authorization = `Basic ${Buffer.from(words ?? '').toString('base64')}`;
      const headers = words === undefined ? {} : { authorization };
      return (await fetch(`${agent.url}/tsuru/poll`, { method: 'POST', headers })).status;
    };
    const before = await agent.metric('tsuru_agent_polls_total');
    assert.equal(await poll(), 401);
    assert.equal(await poll(`${user}:wrong`), 401);
    assert.equal(await poll(`agent:${(await ownAccess(agentFolder(world))).password}`), 401);
    assert.equal(await poll(`${user}:${password}`), 200);
    assert.ok(((await agent.metric('tsuru_agent_polls_total')) ?? 0) > (before ?? 0));
    for (const path of ['/metrics', '/healthz', '/readyz', '/tsuru/status'])
      assert.equal((await agent.get(path)).status, 200, path);
  });

  it('on the guarded port answers 202 at once, polls, and says what is wrong with a body', async () => {
    await using world = await startWorld({ images: silentImages });
    const address = freeAddress();
    // No poll of its own comes soon.
    const env = { AGENT_POLL_INTERVAL: '1h', AGENT_GATEWAY_ADDRESS: address, PORT: '8888' };
    const { agent } = await world.startSupervised({ env });
    await world.bindNew('my-app', 2);
    const { GATEWAY_USERNAME: user, GATEWAY_PASSWORD: password } = GATEWAY;
    const poke = async (body?: string, words = `${user}:${password}`): Promise<readonly [number, string]> => {
      const authorization = `Basic ${Buffer.from(words).toString('base64')}`;
      const response = await fetch(`http://${address}:8888/tsuru/poll`, {
        ...{ method: 'POST', headers: { authorization } },
        ...(body === undefined ? {} : { body }),
      });
      return [response.status, await response.text()];
    };
    const polls = async (): Promise<number> => (await agent.metric('tsuru_agent_polls_total')) ?? 0;
    const before = await polls();
    assert.equal((await poke('{}', `${user}:wrong`))[0], 401);
    for (const body of ['{}', 'my-app', '["my-app"]'])
      assert.deepEqual(await poke(body), [400, 'The body must be empty, or JSON like {"apps": ["my-app"]}.\n']);
    assert.equal(await polls(), before);

    const mend = world.tsuru.faults.add({ kind: 'latency', ms: 1_500 });
    const startedMs = performance.now();
    assert.deepEqual(await poke('{"apps": ["my-app"]}'), [202, 'Polling.\n']);
    assert.ok(performance.now() - startedMs < 1_000, 'it waited for the poll');
    mend();
    await until('the targets', async () => (await agent.status()).lastWrite.targets === 2);
    for (let more = 0; more < 20; more += 1) assert.equal((await poke())[0], 202);
    await until('the poll of all that came meanwhile', async () => (await polls()) >= before + 2);
    assert.ok((await polls()) <= before + 3, `${await polls()} polls after ${before}`);
  });

  it('needs none where there is no guarded port', async () => {
    await using world = await startWorld({ images: silentImages });
    const agent = await world.startAgent();
    assert.equal((await fetch(`${agent.url}/tsuru/poll`, { method: 'POST' })).status, 200);
  });
});
