import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { it, type TestContext } from 'node:test';
import { createPrometheusClient, type TargetHealth } from '../../../../agent/prometheus/api/client.ts';
import { createHealth } from '../../../../agent/prometheus/api/health.ts';
import { UNIT_LABEL } from '../../../../agent/discovery/labels.ts';
import { APP_LABEL } from '../../../../agent/discovery/target-group.ts';

const SECOND_MS = 1_000;

type Told = readonly (readonly [unit: string, health: TargetHealth['health'], address?: string])[];

/** The health of units of `shop` as an agent sees it, of a server that tells its targets as Prometheus does. */
async function startHealth(t: TestContext) {
  const world = { told: [] as Told, nowMs: 0, asked: 0 };
  const server = createServer((request, response) => {
    world.asked += 1;
    if (request.url?.startsWith('/api/v1/query?') === true) {
      const result = world.told.map(([instance, health]) => ({
        metric: { tsuru_app: 'shop', instance },
        value: [0, health === 'up' ? '1' : '0'],
      }));
      response.end(JSON.stringify({ status: 'success', data: { result } }));
      return;
    }
    const activeTargets = world.told.map(([unit, health, address = `${unit}:80`]) => ({
      ...{ health, lastError: '', lastScrape: '0001-01-01T00:00:00Z' },
      discoveredLabels: { [APP_LABEL]: 'shop', [UNIT_LABEL]: unit, __address__: address },
    }));
    response.end(JSON.stringify({ status: 'success', data: { activeTargets } }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const client = createPrometheusClient(new URL(`http://127.0.0.1:${address.port}`));
  t.after(async () => {
    await client.close();
    server.close();
  });
  const health = createHealth(
    client,
    () => world.nowMs,
    () => undefined,
  );
  return {
    world,
    of: async (unit: string, targets = 1) => (await health.targets(targets))?.('shop', unit)?.health,
  };
}

it('the health of few targets is asked for again after seconds, that of many after half a minute', async (t) => {
  const { world, of } = await startHealth(t);
  world.told = [['u1', 'up']];
  assert.equal(await of('u1'), 'up');
  world.told = [['u1', 'down']];
  assert.equal(await of('u1'), 'up');
  world.nowMs += 2 * SECOND_MS;
  assert.equal(await of('u1'), 'down');
  world.told = [['u1', 'up']];
  world.nowMs += 29 * SECOND_MS;
  assert.equal(await of('u1', 2_000), 'down');
  world.nowMs += SECOND_MS;
  assert.equal(await of('u1', 2_000), 'up');
  assert.equal(world.asked, 3);
});

it('of very many targets it is only told whether each is up', async (t) => {
  const { world, of } = await startHealth(t);
  world.told = [
    ['u1', 'up'],
    ['u2', 'down'],
  ];
  assert.deepEqual(await Promise.all(['u1', 'u2', 'u3'].map((unit) => of(unit, 2_001))), ['up', 'down', undefined]);
  assert.equal(world.asked, 1);
});

it('a target that waits for its first scrape in another job keeps its health, for some time and at its address', async (t) => {
  const { world, of } = await startHealth(t);
  world.told = [
    ['u1', 'up'],
    ['u2', 'down'],
    ['u3', 'up'],
  ];
  await of('u1');
  world.told = [
    ['u1', 'unknown'],
    ['u2', 'unknown'],
    ['u3', 'unknown', 'elsewhere:80'],
    ['u4', 'unknown'],
  ];
  world.nowMs += 2 * SECOND_MS;
  assert.deepEqual(await Promise.all(['u1', 'u2', 'u3', 'u4', 'u5'].map((unit) => of(unit))), [
    'up',
    'down',
    'unknown',
    'unknown',
    undefined,
  ]);
  world.nowMs += 117 * SECOND_MS;
  assert.equal(await of('u1'), 'up');
  world.nowMs += 2 * SECOND_MS;
  assert.equal(await of('u1'), 'unknown');
});
