import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { freeAddress } from '../support/address.ts';
import { GATEWAY, type RunningAgent } from '../support/agent.ts';
import { startProgram } from '../support/program.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld, type World } from '../support/world.ts';
import { httpUnit } from '../support/unit.ts';

const READY = { prometheusUrl: undefined } as const;

/** The process of the agent's Prometheus, by the folder of its data. */
async function prometheusPids({ folder }: World): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const lines = await Promise.all(
    all.map(async (pid) => [pid, await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')] as const),
  );
  return lines.filter(([, line]) => line.includes(`--storage.tsdb.path=${folder}/`)).map(([pid]) => pid);
}

async function prometheusPid(world: World): Promise<number> {
  return until('a Prometheus', async () => (await prometheusPids(world))[0]);
}

/** Words of the agent's log, of Prometheus or of itself. */
function said(agent: RunningAgent, words: string): boolean {
  return agent.log().some(({ msg }) => typeof msg === 'string' && msg.includes(words));
}

/** A program called prometheus that is found before the real one. */
async function impostor(world: World, script: string): Promise<Readonly<Record<string, string>>> {
  const path = join(world.folder, 'bin', 'prometheus');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return { PATH: `${dirname(path)}:${process.env['PATH'] ?? ''}` };
}

describe("the agent's own Prometheus", { concurrency: 4 }, () => {
  it('is started with the targets of the bound apps, on loopback, and stopped with the agent', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 2);
    const { agent, prometheus } = await world.startSupervised();
    await prometheus.untilTargets('both up', (all) => all.length === 2 && all.every(({ health }) => health === 'up'));
    const flags = await prometheus.get('/api/v1/status/flags');
    assert.equal(flags['web.listen-address'], world.prometheusAddress);
    assert.equal(flags['storage.remote.flush-deadline'], '15s');
    assert.equal(await agent.stop(), 0);
    assert.ok(said(agent, 'exiting gracefully'), "Prometheus' own last words");
    assert.deepEqual(await prometheusPids(world), []);
    assert.ok(agent.log().every(({ level }) => level !== 'error'));
  });

  it('is reached through the public port with the password, and without it only its health is', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app');
    const publicHost = freeAddress();
    const { agent } = await world.startSupervised({ env: { AGENT_GATEWAY_ADDRESS: publicHost } });
    const ask = (path: string, password?: string): Promise<Response> => {
      const authorization = `Basic ${Buffer.from(`${GATEWAY.GATEWAY_USERNAME}:${password ?? ''}`).toString('base64')}`;
      return fetch(`http://${publicHost}:8888${path}`, password === undefined ? {} : { headers: { authorization } });
    };
    const right = GATEWAY.GATEWAY_PASSWORD;
    assert.equal((await ask('/-/ready')).status, 200);
    assert.equal((await ask('/-/healthy')).status, 200);
    for (const path of ['/api/v1/query?query=up', '/metrics', '/tsuru/status', '/']) {
      assert.equal((await ask(path)).status, 401, path);
    }
    assert.equal((await ask('/api/v1/query?query=up', 'wrong')).status, 401);
    assert.equal((await ask('/api/v1/query?query=up', right)).status, 200);
    assert.match(await (await ask('/metrics', right)).text(), /^tsuru_agent_in_sync /m);
    assert.match(await (await ask('/tsuru/status', right)).text(), /"my-app"/);
    assert.equal((await ask('/-/reload', right)).status, 404);
    assert.ok(((await agent.metric('tsuru_agent_gateway_refused_total{reason="not_found"}')) ?? 0) >= 1);
  });

  it('scrapes an app whose metrics have no content type', async () => {
    const plain = httpUnit(() => (_request, response) => {
      response.removeHeader('content-type');
      response.end('orders_total 7\n');
    });
    await using world = await startWorld({ images: () => ({ processes: { web: plain } }) });
    await world.bindNew('my-app');
    const { prometheus } = await world.startSupervised();
    await prometheus.untilTargets('it up', (all) => all.length === 1 && all[0]?.health === 'up');
    assert.deepEqual([...(await prometheus.query('orders_total')).values()], [7]);
  });

  it('never gets the token or the password, in its environment or on its command line', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.startSupervised({ env: { REMOTE_WRITE_PASSWORD: 'something-secret' } });
    const pid = await prometheusPid(world);
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    assert.match(environment, /PATH=/);
    for (const secret of [world.instance.token, GATEWAY.GATEWAY_PASSWORD, 'something-secret']) {
      assert.ok(!environment.includes(secret) && !line.includes(secret));
    }
  });

  it('is restarted after it was killed, reported with its last lines, and scrapes the same targets', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 2);
    const { agent, prometheus } = await world.startSupervised();
    await prometheus.untilTargets('both up', (all) => all.filter(({ health }) => health === 'up').length === 2);
    process.kill(await prometheusPid(world), 'SIGKILL');
    await until('the crash told', async () => (await agent.status()).prometheus.process?.crashes === 1);
    const crashed = await agent.status();
    assert.match(crashed.prometheus.process?.lastCrash?.reason ?? '', /was killed, which is what the kernel does/);
    assert.ok((crashed.prometheus.process?.lastCrash?.log.length ?? 0) > 0);
    await until('ready', async () => (await agent.status()).prometheus.ready);
    await prometheus.untilTargets('both up', (all) => all.filter(({ health }) => health === 'up').length === 2);
    assert.equal(await agent.metric('tsuru_agent_prometheus_crashes_total{how="killed"}'), 1);
    assert.equal(await agent.metric('tsuru_agent_prometheus_starts_total'), 2);
    await until('no trouble', async () => (await agent.status()).problems.length === 0);
  });

  it('ends when the agent is killed, and the next agent scrapes again', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app');
    const first = await world.startSupervised();
    const pid = await prometheusPid(world);
    first.agent.program.kill('SIGKILL');
    await first.agent.program.end;
    const { prometheus } = await world.startSupervised();
    assert.notEqual(await prometheusPid(world), pid);
    assert.equal((await prometheusPids(world)).length, 1);
    await prometheus.untilTargets('it up', (all) => all.length === 1 && all[0]?.health === 'up');
  });

  it('of an earlier agent is ended first, where the kernel did not do that', async () => {
    await using world = await startWorld({ images: silentImages });
    const storage = join(world.folder, 'agent', 'data');
    const orphan = startProgram({
      command: 'sh',
      args: ['-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done', 'sh', `--storage.tsdb.path=${storage}`],
    });
    await mkdir(join(world.folder, 'agent'), { recursive: true });
    await writeFile(join(world.folder, 'agent', 'prometheus.json'), JSON.stringify({ pid: orphan.pid, killed: 0 }));
    await world.startSupervised();
    assert.equal(await orphan.end, 0);
  });

  it('that cannot be started is retried, and reported with the remedy', async () => {
    await using world = await startWorld({ images: silentImages });
    const env = await impostor(
      world,
      'case "$1" in --version) exec /usr/bin/env -i true;; esac; echo "panic: out of luck" >&2; exit 3',
    );
    const agent = await world.startAgent({ ...READY, env });
    await until('two crashes', async () => ((await agent.status()).prometheus.process?.crashes ?? 0) >= 2);
    const { problems, prometheus } = await agent.status();
    assert.match(problems.join(), /Prometheus ended with exit code 3; panic: out of luck/);
    assert.equal(prometheus.ready, false);
    assert.ok(((await agent.metric('tsuru_agent_prometheus_crashes_total{how="panic"}')) ?? 0) >= 2);
  });

  it('is not started while another process listens at its address, which is not mistaken for it', async () => {
    await using world = await startWorld({ images: silentImages });
    const [host = '', port = ''] = world.prometheusAddress.split(':');
    const asked: string[] = [];
    const stranger = createServer((request, response) => {
      asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
      response.end('Ready.');
    });
    stranger.listen(Number(port), host);
    await once(stranger, 'listening');
    const agent = await world.startAgent({ ...READY, ownPrometheus: world.prometheusAddress });
    const problem = await until('the stranger told', async () =>
      (await agent.status()).problems.find((text) => text.includes('another program listens at')),
    );
    assert.match(problem, /end it, or set AGENT_PROMETHEUS_LISTEN/);
    assert.equal((await agent.get('/readyz')).status, 503);
    assert.deepEqual(
      asked.filter((request) => request.startsWith('POST')),
      [],
    );
    stranger.closeAllConnections();
    stranger.close();
    await until('it started after all', async () => (await agent.get('/readyz')).status === 200, 60_000);
  });

  it('starts without its write-ahead log, which is reported, after it was killed three times before it was ready', async () => {
    await using world = await startWorld({ images: silentImages });
    const wal = join(world.folder, 'agent', 'data', 'wal');
    await mkdir(wal, { recursive: true });
    await writeFile(join(wal, '00000000'), '');
    const env = await impostor(
      world,
      `case "$1" in --version) echo "prometheus, version 2.42.0"; exit;; esac
      if [ -e ${wal} ]; then kill -9 $$; fi
      exec ${await real('prometheus')} "$@"`,
    );
    const { agent } = await world.startSupervised({ env });
    const { prometheus } = await agent.status();
    assert.equal(prometheus.process?.crashes, 3);
    assert.match(prometheus.process.losses[0]?.what ?? '', /write-ahead log, which does not seem to fit into memory/);
    assert.equal(await agent.metric('tsuru_agent_prometheus_wal_losses_total'), 1);
    const [aside = ''] = await readdir(join(wal, '..', 'set-aside'));
    assert.match(aside, /^\d+T\d+Z-wal$/);
    assert.deepEqual(await readdir(join(wal, '..', 'set-aside', aside)), ['00000000']);
  });
});

describe('the agent as process 1, without tini', () => {
  it('warns that orphans stay, and ends in order with its Prometheus', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent } = await world.startSupervised({
      wrapper: ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'],
    });
    assert.ok(said(agent, 'the agent is process 1 and does not reap orphans'));
    const [first = 0] = await childrenOf(agent.program.pid);
    process.kill(first, 'SIGTERM');
    assert.equal(await agent.program.end, 0);
    assert.ok(said(agent, 'Prometheus has stopped'));
  });
});

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
}

async function real(program: string): Promise<string> {
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    if ((await readdir(folder).catch((): string[] => [])).includes(program)) return join(folder, program);
  }
  throw new Error(`${program} is not on the PATH`);
}
