import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { APP, startStage, type AgentScript, type Stage } from './stage.ts';

interface Poke {
  readonly body: unknown;
  readonly authorization: string;
}

const POLLING: ReturnType<AgentScript> = { status: 202, body: 'Polling.\n' };

/** An instance that is up, whose agent answers so to pokes. */
async function startPoked(
  answer: () => ReturnType<AgentScript> = () => POLLING,
): Promise<{ readonly stage: Stage; readonly pokes: readonly Poke[] } & AsyncDisposable> {
  const stage = await startStage();
  const pokes: Poke[] = [];
  stage.say(({ method, path, body, authorization }) => {
    if (`${method} ${path}` !== 'POST /tsuru/poll') return { status: 200, body: '{"ready": true}' };
    pokes.push({ body: JSON.parse(body), authorization });
    return answer();
  });
  await stage.createApp('my-app');
  await expect(stage.add(), 201);
  await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
  return { stage, pokes, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}

function bodiesOf(pokes: readonly Poke[]): unknown[] {
  return pokes.map(({ body }) => body);
}

async function outcomes(stage: Stage): Promise<Readonly<Record<string, number>>> {
  const { body } = await stage.ask('GET', '/metrics');
  return Object.fromEntries(
    [...body.matchAll(/^tsuru_broker_pokes_total\{outcome="(\w+)"\} (\d+)$/gm)].map(([, outcome = '', value]) => [
      outcome,
      Number(value),
    ]),
  );
}

describe('the broker', { concurrency: 4 }, () => {
  it('pokes the agent after a bind, an unbind and an update', async () => {
    await using poked = await startPoked();
    const { stage, pokes } = poked;
    await expect(stage.bind('my-app'), 200);
    await until('the poke after the bind', () => pokes.length === 1);
    await expect(stage.update('my-instance', { 'parameters.retention': '3d' }), 200);
    await until('the poke after the update', () => pokes.length === 2);
    await expect(stage.unbind('my-app'), 200);
    await until('the poke after the unbind', () => pokes.length === 3);
    assert.deepEqual(bodiesOf(pokes), [{ apps: ['my-app'] }, { apps: [] }, { apps: [] }]);
    const password = (await stage.info())['User and Password']?.replace(' / ', ':') ?? '';
    for (const { authorization } of pokes)
      assert.equal(authorization, `Basic ${Buffer.from(password).toString('base64')}`);
    assert.deepEqual(await outcomes(stage), { succeeded: 3, failed: 0, skipped: 0, dropped: 0 });
  });

  it('does not wait for an agent that hangs, and pokes it once for all that comes meanwhile', async () => {
    let answer: ReturnType<AgentScript> = 'hang';
    await using poked = await startPoked(() => answer);
    const { stage, pokes } = poked;
    const apps = ['a1', 'a2', 'a3'];
    for (const app of apps) await stage.createApp(app);
    const startedMs = performance.now();
    await expect(stage.bind('my-app'), 200);
    await until('the first poke', () => pokes.length === 1);
    for (const app of apps) await expect(stage.bind(app), 200);
    answer = POLLING;
    await until('the second poke', () => pokes.length === 2);
    assert.deepEqual(bodiesOf(pokes), [{ apps: ['my-app'] }, { apps }]);
    assert.ok(performance.now() - startedMs >= 1_900, 'the agent has 2 s');
    await until('both outcomes', async () => (await outcomes(stage))['succeeded'] === 1);
    assert.equal((await outcomes(stage))['failed'], 1);
  });

  it('follows no redirect of an agent, and tells a failure in a debug line without the password', async () => {
    const seen: unknown[] = [];
    const elsewhere = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.end();
    }).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`;
    await using poked = await startPoked(() => ({ status: 307, body: '', location }));
    const { stage } = poked;
    await expect(stage.bind('my-app'), 200);
    await until('the failure', async () => (await outcomes(stage))['failed'] === 1);
    const line = stage.lines.find((told) => told.includes('failed to poke an agent'));
    assert.match(line ?? '', /the agent answered 307/);
    const [, password = 'none'] = (await stage.info())['User and Password']?.split(' / ') ?? [];
    assert.ok(!stage.lines.join().includes(password));
    assert.deepEqual(seen, []);
    elsewhere.close();
  });

  it('does not poke an instance without a unit that is ready', async () => {
    await using stage = await startStage({ agent: () => assert.fail('it was asked') });
    await stage.createApp('my-app');
    await expect(stage.add(), 201);
    await until('the unit', () => stage.tsuru.units(APP).length === 1);
    await expect(stage.admin.call('DELETE', `/1.0/apps/${APP}/units?units=1&process=web`), 200);
    await expect(stage.bind('my-app'), 200);
    await until('the outcome', async () => (await outcomes(stage))['skipped'] === 1);
  });

  it('that stops waits for pokes for two seconds', async () => {
    await using poked = await startPoked(() => 'hang');
    const { stage, pokes } = poked;
    await expect(stage.bind('my-app'), 200);
    await until('the poke', () => pokes.length === 1);
    const startedMs = performance.now();
    await stage.broker.stop();
    assert.ok(performance.now() - startedMs < 10_000);
  });
});
