import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Registry from 'prom-client/lib/registry.js';
import { createLog } from '../../../agent/shared/log.ts';
import { createTsuruClient } from '../../../agent/shared/tsuru.ts';
import { systemClock, type Clock } from '../../../agent/shared/clock.ts';
import { createDeploys, type Deploys } from '../../../broker/tsuru/deploys.ts';
import { createMetrics } from '../../../broker/metrics.ts';
import { expect } from '../../support/instance.ts';
import { until } from '../../support/until.ts';
import { createClient, type Client } from '../../tsuru/client.ts';
import { startTsuru, type LocalTsuru } from '../../tsuru/server.ts';
import { listedOnly } from '../../tsuru/worlds.ts';
import { APP, partsOf, startStage, type Stage } from '../stage.ts';

const LOCKED = 'event locked: app(x) running "app.update" start by user a at 2026-11-23T04:16:49Z\n';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const SPEED = 20;
/** Waits of seconds become moments. */
const FAST: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / SPEED, signal) };

/** Somebody else's change has the app, until the end of it. */
function lock({ faults }: LocalTsuru, app: string): () => void {
  return faults.add({ kind: 'status', status: 500, body: LOCKED, method: 'POST', path: `/apps/${app}/deploy` });
}

function triesOf({ requests }: LocalTsuru, app: string): number {
  return requests.count('POST', `/1.0/apps/${app}/deploy`);
}

async function createBare(admin: Client, name: string): Promise<void> {
  await expect(admin.call('POST', '/1.0/apps', { json: { name, teamOwner: 'shop', pool: 'dev' } }), 201);
}

async function deploysOf(admin: Client, app: string): Promise<number> {
  const { body } = await expect(admin.call('GET', `/1.0/apps/${app}`), 200);
  return (JSON.parse(body) as { deploys: number }).deploys;
}

const OUTCOME = /^tsuru_broker_deploys_total\{outcome="(\w+)"\} ([1-9]\d*)$/gm;

/** How deploys have ended that were looked after: `unknown 1`. */
function outcomesIn(metrics: string): string[] {
  return [...metrics.matchAll(OUTCOME)].map(([, outcome = '', count = '']) => `${outcome} ${count}`);
}

async function outcomesOf(stage: Stage): Promise<string[]> {
  return outcomesIn((await stage.ask('GET', '/metrics')).body);
}

/** Waits until a deploy of which a removal should be the end has ended, in whichever way, on an app that somebody else has made since. */
async function endedAfterRemoval(stage: Stage, unlock: () => void): Promise<string[]> {
  assert.deepEqual(await partsOf(stage), []);
  stage.tsuru.requests.clear();
  await createBare(stage.admin, APP);
  unlock();
  await until('the end', async () => (await outcomesOf(stage)).length > 0);
  return outcomesOf(stage);
}

describe('a removal', () => {
  it('ends the waiting for a deploy that has not begun, so that none is begun after it', async () => {
    await using stage = await startStage({ clock: FAST });
    const { tsuru } = stage;
    const unlock = lock(tsuru, APP);
    await expect(stage.add(), 201);
    await until('a few tries', () => triesOf(tsuru, APP) > 3);
    assert.deepEqual(await outcomesOf(stage), []);
    await expect(stage.remove(), 200);
    assert.deepEqual(await endedAfterRemoval(stage, unlock), ['unknown 1']);
    assert.equal(triesOf(tsuru, APP), 0);
    assert.equal(await deploysOf(stage.admin, APP), 0);
  });

  it('ends it also while the creation still waits for its answer', async () => {
    await using stage = await startStage({ clock: { ...FAST, random: () => 0.1 } });
    const { tsuru } = stage;
    const unlock = lock(tsuru, APP);
    const adding = stage.ask('POST', '/resources', { body: 'name=my-instance&team=shop', headers: FORM });
    await until('the first try', () => triesOf(tsuru, APP) > 0);
    await expect(stage.ask('DELETE', '/resources/my-instance'), 200);
    await adding;
    assert.deepEqual(await endedAfterRemoval(stage, unlock), ['unknown 1']);
    assert.equal(triesOf(tsuru, APP), 0);
  });

  it('ends it also when it had to wait for the creation', async () => {
    await using stage = await startStage({ clock: FAST });
    const { tsuru } = stage;
    const unlock = lock(tsuru, APP);
    tsuru.faults.add({ kind: 'latency', ms: 500, method: 'POST', path: '/tokens' });
    const adding = stage.ask('POST', '/resources', { body: 'name=my-instance&team=shop', headers: FORM });
    await until('the token', () => tsuru.requests.count('POST', '/1.6/tokens') === 1);
    await expect(stage.ask('DELETE', '/resources/my-instance'), 200);
    await adding;
    assert.deepEqual(await endedAfterRemoval(stage, unlock), ['unknown 1']);
    assert.equal(triesOf(tsuru, APP), 0);
  });

  it('lets a new instance of the name begin a deploy of its own', async () => {
    await using stage = await startStage({ clock: FAST });
    const { tsuru } = stage;
    const unlock = lock(tsuru, APP);
    await expect(stage.add(), 201);
    await expect(stage.remove(), 200);
    unlock();
    tsuru.requests.clear();
    await expect(stage.add(), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    assert.equal(triesOf(tsuru, APP), 1);
    await until('the end', async () => (await outcomesOf(stage)).length > 1);
    assert.deepEqual(await outcomesOf(stage), ['succeeded 1', 'unknown 1']);
  });
});

interface Looked extends AsyncDisposable {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  readonly deploys: Deploys;
  readonly outcomes: () => Promise<string[]>;
}

/** Deploys of apps that are there already, each locked until somebody unlocks it. */
async function startLocked(...apps: readonly string[]): Promise<Looked & { readonly unlock: () => void }> {
  await using stack = new AsyncDisposableStack();
  const tsuru = await startTsuru({ images: listedOnly() });
  stack.defer(() => tsuru.close());
  const admin = createClient(tsuru.url, tsuru.adminToken);
  const client = createTsuruClient({ url: new URL(tsuru.url), token: tsuru.adminToken });
  stack.defer(() => client.close());
  const registry = new Registry();
  const deploys = createDeploys({
    ...{ tsuru: client, image: 'shop/app:1', clock: FAST },
    ...{ log: createLog('silent', []), metrics: createMetrics(registry) },
  });
  stack.defer(() => deploys.stop());
  for (const app of apps) await createBare(admin, app);
  const unlocks = apps.map((app) => lock(tsuru, app));
  const all = stack.move();
  return {
    ...{ tsuru, admin, deploys },
    outcomes: async () => outcomesIn(await registry.metrics()),
    unlock: () => {
      for (const unlock of unlocks) unlock();
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

describe('a deploy that is forgotten', () => {
  it('is at once no longer followed, and can be begun again', async () => {
    await using locked = await startLocked('my-app');
    const { deploys, unlock } = locked;
    await deploys.start('my-app', 'the first');
    assert.equal(deploys.isRunning('my-app'), true);
    deploys.forget('my-app');
    assert.equal(deploys.isRunning('my-app'), false);
    await deploys.start('my-app', 'the second');
    assert.equal(deploys.isRunning('my-app'), true);
    // A request of its that was under way is over then.
    await until('the end of the forgotten one', async () => (await locked.outcomes()).includes('unknown 1'));
    locked.tsuru.requests.clear();
    unlock();
    await until('both ends', async () => (await locked.outcomes()).length === 2);
    assert.deepEqual(await locked.outcomes(), ['succeeded 1', 'unknown 1']);
    assert.equal(triesOf(locked.tsuru, 'my-app'), 1);
    assert.equal(await deploysOf(locked.admin, 'my-app'), 1);
    assert.equal(deploys.isRunning('my-app'), false);
  });

  it('does not affect other deploys', async () => {
    await using locked = await startLocked('my-app', 'other');
    const { deploys, unlock } = locked;
    await Promise.all(['my-app', 'other'].map((app) => deploys.start(app, 'both')));
    deploys.forget('my-app');
    deploys.forget('nobody');
    assert.deepEqual([deploys.isRunning('my-app'), deploys.isRunning('other')], [false, true]);
    // A request of its that was under way is over then.
    await until('the end of the forgotten one', async () => (await locked.outcomes()).includes('unknown 1'));
    locked.tsuru.requests.clear();
    unlock();
    await until('both ends', async () => (await locked.outcomes()).length === 2);
    assert.deepEqual(await locked.outcomes(), ['succeeded 1', 'unknown 1']);
    assert.deepEqual([await deploysOf(locked.admin, 'my-app'), await deploysOf(locked.admin, 'other')], [0, 1]);
    assert.equal(triesOf(locked.tsuru, 'my-app'), 0);
  });
});

describe('deploys that have not begun', () => {
  it("do not delay the broker's end, and none is begun after it", async () => {
    await using locked = await startLocked('my-app', 'other');
    const { deploys, unlock } = locked;
    await Promise.all(['my-app', 'other'].map((app) => deploys.start(app, 'both')));
    await deploys.stop();
    locked.tsuru.requests.clear();
    unlock();
    assert.deepEqual([deploys.isRunning('my-app'), deploys.isRunning('other')], [false, false]);
    assert.deepEqual(await locked.outcomes(), ['unknown 2']);
    assert.equal(locked.tsuru.requests.all().length, 0);
  });
});
