import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { until } from '../support/until.ts';
import { startWorld } from '../support/world.ts';

describe("the agent's pages", { concurrency: 4 }, () => {
  it('report ready once targets are written and Prometheus is ready, and else the reason', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app');
    const mend = world.tsuru.faults.add({ kind: 'status', status: 500 });
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    assert.deepEqual(await agent.get('/readyz'), {
      status: 503,
      body: 'Not ready: no targets were written or restored yet.\n',
    });
    assert.equal((await agent.get('/healthz')).status, 200);
    mend();
    await agent.poll();
    assert.deepEqual(await agent.get('/readyz'), { status: 200, body: 'Ready.\n' });
    await prometheus.stop();
    const reason = await until('not ready', async () => {
      const { status, body } = await agent.get('/readyz');
      return status === 503 && body;
    });
    assert.match(reason, /Prometheus is not: connect ECONNREFUSED/);
    assert.match((await agent.status()).problems.join(), /Prometheus is not ready/);
  });

  it('show each app and unit, the versions, the last poll and write', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 2);
    await world.bindNew(world.instance.app);
    const agent = await world.startAgent({ env: { TSURU_APPNAME: world.instance.app } });
    const prometheus = await world.startPrometheus();
    await prometheus.untilTargets(
      '2 units up',
      (targets) => targets.filter(({ health }) => health === 'up').length === 2,
    );
    const status = await until(
      'the health of units',
      async () => {
        const now = await agent.status();
        return now.apps[0]?.units.every((unit) => 'health' in unit && unit.health === 'up') === true && now;
      },
      60_000,
    );
    assert.equal(status.instance, 'prometheus-my-instance');
    assert.equal(status.ready, true);
    assert.deepEqual(status.problems, []);
    assert.match(status.versions.prometheus ?? '', /^\d+\.\d+/);
    assert.equal(status.lastPoll.ok, true);
    assert.deepEqual(
      [status.lastWrite.ok, status.lastWrite.targets, status.lastWrite.file],
      [true, 2, agent.targetsFile],
    );
    const [app] = status.apps;
    const [first] = world.tsuru.units('my-app');
    assert.ok(app !== undefined && first !== undefined);
    assert.deepEqual([app.name, app.pool, app.team, app.targets, app.leftOut], ['my-app', 'dev', 'shop', 2, 0]);
    assert.ok(app.units[0] !== undefined && 'address' in app.units[0]);
    assert.deepEqual(
      [app.units[0].unit, app.units[0].address, app.units[0].status],
      [first.name, `${first.host}:8888`, 'started'],
    );
  });

  it('have every metric from the start', async () => {
    await using world = await startWorld();
    const agent = await world.startAgent();
    await until('a poll', async () => (await agent.status()).lastPoll.ok);
    const { body } = await agent.get('/metrics');
    for (const line of [
      'tsuru_agent_polls_failed_total{reason="unauthorized"} 0',
      'tsuru_agent_apps 0',
      'tsuru_agent_apps_unknown 0',
      'tsuru_agent_target_writes_total 1',
      'tsuru_agent_target_writes_failed_total 0',
      'tsuru_agent_state_restored 0',
      'tsuru_agent_units_left_out{reason="no_port"} 0',
      'tsuru_agent_api_requests_total{call="app list",status="204"}',
      'tsuru_agent_poll_duration_seconds_count',
      'tsuru_agent_poll_last_success_timestamp_seconds',
      'tsuru_agent_target_last_write_timestamp_seconds',
      'tsuru_agent_build_info{version=',
      'process_resident_memory_bytes',
    ]) {
      assert.ok(body.includes(`\n${line}`), line);
    }
  });

  it('name the right path or method when asked for another one', async () => {
    await using world = await startWorld();
    const agent = await world.startAgent();
    assert.deepEqual(await agent.get('/nothing'), {
      status: 404,
      body: 'No such page: there are GET /metrics, GET /healthz, GET /readyz, GET /tsuru/status, POST /tsuru/poll.\n',
    });
    assert.deepEqual(await agent.get('/tsuru/poll'), { status: 405, body: 'Use POST /tsuru/poll.\n' });
    const large = await request(`${agent.url}/tsuru/poll`, { method: 'POST', body: 'x'.repeat(65 * 1024) });
    assert.deepEqual([large.statusCode, await large.body.text()], [413, 'The body is too large.\n']);
    const head = await request(`${agent.url}/healthz`, { method: 'HEAD' });
    assert.equal(head.statusCode, 200);
    assert.equal(await head.body.text(), '');
  });

  it('never show the token, nor does the log', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app');
    const agent = await world.startAgent({ env: { AGENT_LOG_LEVEL: 'debug' } });
    await agent.poll();
    world.tsuru.faults.add({ kind: 'status', status: 401, body: `you sent: bearer ${world.instance.token}` });
    await agent.poll();
    const pages = await Promise.all(['/metrics', '/tsuru/status', '/readyz'].map((path) => agent.get(path)));
    const told = [...agent.program.lines, ...pages.map(({ body }) => body)].join('\n');
    assert.ok(told.includes('401'));
    assert.ok(!told.includes(world.instance.token));
  });
});
