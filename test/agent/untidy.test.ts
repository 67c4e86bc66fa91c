// What a real Tsuru does that looks like a change or a fault, and is none; and what looks like none, and is one.
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import type { RunningAgent } from '../support/agent.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld, type World } from '../support/world.ts';

const POLLS = 'tsuru_agent_polls_total';

async function polls(agent: RunningAgent, more: number): Promise<void> {
  const before = (await agent.metric(POLLS)) ?? 0;
  await until(`${more} polls`, async () => ((await agent.metric(POLLS)) ?? 0) >= before + more);
}

/** The units of the target file. */
async function targets(agent: RunningAgent): Promise<string[]> {
  const groups = JSON.parse(await readFile(agent.targetsFile, 'utf8')) as { labels?: Record<string, string> }[];
  return groups.flatMap(({ labels = {} }) => labels['__meta_tsuru_unit'] ?? []);
}

const targetsAre = (agent: RunningAgent, count: number): Promise<unknown> =>
  until(`${count} targets`, async () => (await targets(agent)).length === count);

/** An instance whose own app is there, as the broker makes it. */
async function withOwnApp(world: World): Promise<Record<string, string>> {
  const { admin, instance } = world;
  await expect(admin.call('POST', '/1.0/apps', { json: { name: instance.app, teamOwner: 'shop', pool: 'dev' } }), 201);
  await instance.bind(instance.app);
  return { TSURU_APPNAME: instance.app };
}

const confirm = (world: World, binds: Readonly<Record<string, string>>): Promise<void> =>
  world.annotate(world.instance.app, { 'prometheus-service/binds': JSON.stringify(binds) });

/** Another team makes an app of a name that was free. */
async function createFor(world: World, team: string, name: string): Promise<void> {
  await expect(world.admin.call('POST', '/1.0/apps', { json: { name, teamOwner: team, pool: 'dev' } }), 201);
  await world.deploy(name, 'shop/app:1');
}

describe('an unchanged Tsuru', () => {
  it('causes no write, in whatever order it lists units, apps and annotations', async () => {
    await using world = await startWorld({ images: silentImages });
    for (const name of ['one', 'two']) {
      await world.bindNew(name, 6);
      await world.annotate(name, { 'prometheus.io/port': '9100', 'prometheus.io/path': '/x', other: 'y' });
    }
    const agent = await world.startAgent();
    await targetsAre(agent, 12);
    await polls(agent, 5);
    const files = [agent.targetsFile, join(world.folder, 'agent', 'state.json')];
    const identify = (): Promise<string[]> =>
      Promise.all(files.map(async (file) => `${(await stat(file)).ino} ${(await stat(file)).mtimeMs}`));
    const before = await identify();
    await polls(agent, 15);
    assert.deepEqual(await identify(), before);
  });
});

describe('an app that is bound before its first deploy', () => {
  it('is no problem, and is scraped once its first rollout has ended', async () => {
    await using world = await startWorld({ images: silentImages, delays: { startingMs: 1_000, portsMs: 1_000 } });
    await expect(
      world.admin.call('POST', '/1.0/apps', { json: { name: 'my-app', teamOwner: 'shop', pool: 'dev' } }),
      201,
    );
    await world.instance.bind('my-app');
    const agent = await world.startAgent();
    await polls(agent, 5);
    const isTroubled = async (): Promise<boolean> =>
      (await agent.status()).problems.some((problem) => problem.includes('my-app') || problem.includes('metrics'));
    assert.equal(await isTroubled(), false);
    await world.deploy('my-app', 'shop/app:1');
    await targetsAre(agent, 1);
    assert.equal(await isTroubled(), false);
  });
});

describe('an app that is made anew under its name', () => {
  it('by another team is not scraped until the broker confirms its bind, and by a later agent neither', async () => {
    await using world = await startWorld({ images: silentImages });
    const env = await withOwnApp(world);
    await world.bindNew('pay', 2);
    await confirm(world, { pay: 'shop' });
    const first = await world.startAgent({ env });
    await targetsAre(first, 2);
    await expect(world.admin.call('DELETE', '/1.0/apps/pay'), 200);
    await targetsAre(first, 0);
    await createFor(world, 'ops', 'pay');
    await polls(first, 3);
    assert.deepEqual(await targets(first), []);
    const { problems } = await first.status();
    assert.ok(problems.some((problem) => problem.includes('pay is not scraped: it is another app now, of team ops')));
    assert.ok(first.log().some(({ msg }) => msg === 'pay: the app was removed: 2 units removed, 0 scraped'));
    await first.stop();

    const second = await world.startAgent({ env });
    await polls(second, 3);
    assert.deepEqual(await targets(second), []);
    await confirm(world, { pay: 'ops' });
    await targetsAre(second, 1);
  });

  it('by its own team is scraped again', async () => {
    await using world = await startWorld({ images: silentImages });
    const env = await withOwnApp(world);
    await world.bindNew('pay', 2);
    const agent = await world.startAgent({ env });
    await targetsAre(agent, 2);
    await expect(world.admin.call('DELETE', '/1.0/apps/pay'), 200);
    await createFor(world, 'shop', 'pay');
    await targetsAre(agent, 1);
  });

  it('is another one than an app that only changes its team, which keeps its targets', async () => {
    await using world = await startWorld({ images: silentImages });
    const env = await withOwnApp(world);
    await world.bindNew('pay', 2);
    const agent = await world.startAgent({ env });
    await targetsAre(agent, 2);
    await expect(world.admin.call('PUT', '/1.0/apps/pay', { json: { teamOwner: 'ops', noRestart: true } }), 200);
    await until('the team', async () => (await readFile(agent.targetsFile, 'utf8')).includes('"ops"'));
    assert.equal((await targets(agent)).length, 2);
  });
});
