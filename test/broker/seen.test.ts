import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { APP, startStage, type AgentScript, type Stage } from './stage.ts';

const WELL = { ready: true, problems: [], sync: { inSync: true }, prometheus: { ready: true }, apps: [] };

/** An agent whose status can be changed while it runs. */
function changingAgent(): { say(status: unknown): void; hang(): void; readonly script: AgentScript } {
  let answer: ReturnType<AgentScript> = { status: 200, body: JSON.stringify(WELL) };
  return {
    say(status) {
      answer = { status: 200, body: typeof status === 'string' ? status : JSON.stringify(status) };
    },
    hang() {
      answer = 'hang';
    },
    script: ({ path, authorization }) => {
      if (path !== '/tsuru/status' || !authorization.startsWith('Basic ')) return { status: 401, body: '' };
      return answer;
    },
  };
}

async function upWith(agent: AgentScript): Promise<Stage> {
  const stage = await startStage({ agent });
  await expect(stage.add(), 201);
  await until('the instance to be up', async () => (await ask(stage)).status === 204);
  return stage;
}

async function ask(stage: Stage): Promise<{ status: number; body: string }> {
  const { status, body } = await stage.ask('GET', '/resources/my-instance/status');
  return { status, body };
}

const unit = (name: string, more: Readonly<Record<string, string>>) => ({
  unit: name,
  process: 'web',
  status: 'started',
  version: '1',
  ...more,
});

describe('the status', () => {
  const agent = changingAgent();

  for (const [what, status, wanted] of [
    [
      'a problem',
      { ...WELL, problems: ['Tsuru refused the token (since 10:00)'] },
      /^degraded: Tsuru refused the token .*; it is up$/,
    ],
    ['two problems', { ...WELL, problems: ['one', 'two'] }, /^degraded: one \(and 1 more problem\); .*; it is up$/],
    [
      'that it is out of sync',
      { ...WELL, sync: { inSync: false, problem: 'no reload' } },
      /^degraded: the latest targets are not loaded \(no reload\).*; it is up$/,
    ],
  ] as const) {
    it(`is 200 with one line when the agent reports ${what}`, async () => {
      await using stage = await upWith(agent.script);
      agent.say(status);
      const answer = await ask(stage);
      assert.equal(answer.status, 200);
      assert.match(answer.body, wanted);
      agent.say(WELL);
    });
  }

  it('is 202 while the agent is not ready', async () => {
    await using stage = await upWith(agent.script);
    agent.say({ ...WELL, ready: false });
    assert.equal((await ask(stage)).status, 202);
    agent.say(WELL);
  });

  for (const [what, body] of [
    ['nonsense', 'so sorry'],
    ['an empty list', '[]'],
    ['a status of wrong types', '{"apps": 3, "problems": {"a": 1}}'],
  ] as const) {
    it(`names the log when the agent answers ${what}`, async () => {
      await using stage = await upWith(agent.script);
      agent.say(body);
      const { status, body: told } = await ask(stage);
      assert.equal(status, 200);
      assert.match(told, /^not answering \(.+\): see "tsuru app-log -a prometheus-my-instance"$/);
      agent.say(WELL);
    });
  }

  it('reports more than one unit, and how to end that', async () => {
    await using stage = await upWith(agent.script);
    await expect(stage.admin.call('PUT', `/1.0/apps/${APP}/units`, { form: { units: 1, process: 'web' } }), 200);
    assert.match((await ask(stage)).body, /2 units.+run "tsuru unit-remove 1 -a prometheus-my-instance"/);
  });

  it('reports a stopped instance, and how to start it', async () => {
    await using stage = await upWith(agent.script);
    await expect(stage.admin.call('POST', `/1.0/apps/${APP}/stop`, { form: {} }), 200);
    assert.match((await ask(stage)).body, /^stopped: run "tsuru app-start -a prometheus-my-instance"/);
  });

  it('reports that the units are unknown', async () => {
    await using stage = await upWith(agent.script);
    stage.tsuru.faults.add({ kind: 'units-unknown' });
    assert.match((await ask(stage)).body, /Tsuru cannot list its units/);
  });

  it('is never 404: not for a missing instance, not for an invalid name', async () => {
    await using stage = await startStage();
    for (const name of ['nobody', '1', 'a%20b', '%E2%98%83', 'x'.repeat(5000)]) {
      const { status } = await stage.ask('GET', `/resources/${name}/status`);
      assert.equal(status, 200, name.slice(0, 20));
    }
  });
});

describe('the info', () => {
  it('lists apps with their units, and problems with their reasons', async () => {
    const agent = changingAgent();
    await using stage = await upWith(agent.script);
    await stage.createApp('my-app');
    await stage.createApp('other');
    await stage.bind('my-app');
    await stage.bind('other');
    agent.say({
      ...WELL,
      apps: [
        {
          name: 'my-app',
          units: [unit('a', { health: 'up' }), unit('b', { leftOut: 'it is stopped', reason: 'stopped' })],
          problems: [],
        },
        { name: 'other', units: [unit('c', { health: 'down', lastError: 'connection refused' })], problems: [] },
      ],
    });
    const info = await stage.info();
    assert.equal(info['Units up'], 'my-app 1/1, other 0/1 !');
    assert.equal(info['Problems'], 'c: connection refused');
    agent.say({
      ...WELL,
      apps: [
        { name: 'my-app', units: [unit('a', { health: 'up' }), unit('b', { health: 'unknown' })], problems: [] },
        { name: 'other', units: [unit('c', {}), unit('d', {})], problems: [] },
      ],
    });
    assert.equal((await stage.info())['Units up'], 'my-app 1/2, other ?/2', 'unknown is neither up nor down');
    const noPort = { leftOut: 'the process web listens on no TCP port', reason: 'no_port' };
    agent.say({
      ...WELL,
      apps: [
        { name: 'my-app', units: [unit('a', { health: 'up' }), unit('b', noPort)], problems: [] },
        { name: 'other', units: [], unknown: { reason: 'timeout', since: '2026-11-23T04:16:49Z' }, problems: [] },
      ],
    });
    const left = await stage.info();
    assert.equal(left['Units up'], 'my-app 1/1 !, other 0/0 !');
    assert.equal(left['Problems'], 'b is not scraped: the process web listens on no TCP port');
    assert.ok(Object.keys(info).length <= 7);
  });

  for (const what of ['the instance hangs', 'Tsuru hangs', 'Tsuru fails', 'there is no such instance']) {
    it(`is JSON within 2 s when ${what}, and the status comes in time, too`, async () => {
      const agent = changingAgent();
      await using stage = await upWith(agent.script);
      agent.hang();
      if (what === 'Tsuru hangs') stage.tsuru.faults.add({ kind: 'latency', ms: 5_000 });
      if (what === 'Tsuru fails') stage.tsuru.faults.add({ kind: 'status', status: 500 });
      const name = what.startsWith('there') ? 'nobody' : 'my-instance';
      for (const path of [`/resources/${name}`, `/resources/${name}/status`]) {
        const begun = performance.now();
        const { status, body } = await stage.ask('GET', path);
        assert.ok(performance.now() - begun < (path.endsWith('/status') ? 11_000 : 2_000), path);
        if (path.endsWith('/status')) assert.equal(status, 200);
        else {
          assert.equal(status, 200);
          const labels = JSON.parse(body) as { label: string; value: string }[];
          assert.ok(labels.some(({ label }) => label === 'Problems'));
          assert.equal(
            labels.some(({ label }) => label === 'Address'),
            what === 'the instance hangs',
          );
        }
      }
      stage.tsuru.faults.clear();
    });
  }

  it('shows nothing of an app that only has the name', async () => {
    await using stage = await startStage();
    await expect(stage.admin.call('POST', '/1.0/apps', { json: { name: APP, teamOwner: 'shop', pool: 'dev' } }), 201);
    const envs = [{ Name: 'GATEWAY_PASSWORD', Value: 'somebody-elses', Private: true }];
    await expect(stage.admin.call('POST', `/1.0/apps/${APP}/env`, { json: { Envs: envs, NoRestart: true } }), 200);
    const { body } = await stage.ask('GET', '/resources/my-instance');
    assert.doesNotMatch(body, /somebody-elses/);
    assert.deepEqual(
      (JSON.parse(body) as { label: string }[]).map(({ label }) => label),
      ['Problems'],
    );
  });
});
