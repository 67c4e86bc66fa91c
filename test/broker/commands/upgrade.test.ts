import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../../support/instance.ts';
import { until } from '../../support/until.ts';
import { APP, environmentOf, startStage, type Stage } from '../stage.ts';
import { runBroker, type Run } from './run.ts';

const OLD = 'shop/prometheus:1';
const NEW = 'shop/prometheus:2';

async function startUp(...names: readonly string[]): Promise<Stage> {
  const stage = await startStage({ reconciles: false });
  for (const name of names) {
    await expect(stage.add(name), 201);
    await until(`${name} to be up`, async () => (await stage.status(name)).endsWith('is up'));
  }
  return stage;
}

function upgrade(stage: Stage, image: string, ...args: readonly string[]): Promise<Run> {
  const env = { ...environmentOf(stage.tsuru.url, stage.brokerToken), BROKER_IMAGE: image };
  return runBroker(['upgrade', ...args], env);
}

function deploysOf({ tsuru }: Stage): number {
  return tsuru.requests.count('POST', /\/deploy$/);
}

async function unitsOf({ admin }: Stage, app = APP): Promise<string> {
  const { units } = JSON.parse((await admin.call('GET', `/1.0/apps/${app}`)).body) as { units: { Name: string }[] };
  return units.map(({ Name }) => Name).join();
}

describe('the upgrade of instances', { concurrency: 2 }, () => {
  it('deploys a new image to each instance, but only to those that lack it and with consent to lose data', async () => {
    await using stage = await startUp('one', 'two');
    const before = deploysOf(stage);
    const dry = await upgrade(stage, NEW, '--dry-run');
    assert.deepEqual(
      [dry.exitCode, dry.out],
      [0, 'would      one\nwould      two\n\n2 instances looked at, for the image shop/prometheus:2.\n'],
    );
    const refused = await upgrade(stage, NEW);
    assert.equal(refused.exitCode, 1);
    assert.match(refused.err, /The data of 2 instances \(one, two\) would start empty: add --accept-data-loss, /);
    assert.equal(deploysOf(stage), before);
    const only = await upgrade(stage, NEW, '--accept-data-loss', '--only', 'two');
    assert.match(only.out, /^upgraded {3}two \(\d+ s\)\n\n/);
    const rest = await upgrade(stage, NEW, '--accept-data-loss');
    assert.equal(rest.exitCode, 0);
    assert.match(rest.out, /^was there {2}two\nupgraded {3}one \(\d+ s\)\n\n/);
    assert.match(rest.err, /^1\/1 upgrading one$/m);
    assert.equal(deploysOf(stage), before + 2);
    assert.match((await upgrade(stage, NEW)).out, /^was there {2}one\nwas there {2}two\n/);
  });

  it('stops at the first that fails, whose old unit keeps running, and continues when it is run again', async () => {
    await using stage = await startUp('one', 'two');
    const unit = await unitsOf(stage, 'prometheus-one');
    const failed = await upgrade(stage, 'missing/prometheus:2', '--accept-data-loss', '--json');
    assert.equal(failed.exitCode, 1);
    const { instances, left } = JSON.parse(failed.out) as { instances: Record<string, string>[]; left: string[] };
    assert.deepEqual([instances[0]?.['outcome'], left], ['failed', ['two']]);
    assert.match(instances[0]?.['reason'] ?? '', /failed to pull image "missing\/prometheus:2": not found$/);
    assert.equal(await unitsOf(stage, 'prometheus-one'), unit);
    const again = await upgrade(stage, NEW, '--accept-data-loss');
    assert.match(again.out, /^upgraded {3}one .+\nupgraded {3}two /);
  });

  it('waits for a deploy that goes on, and leaves alone what that has brought', async () => {
    await using stage = await startUp('one');
    stage.tsuru.delays.startingMs = 60_000;
    const deploys = deploysOf(stage);
    const first = upgrade(stage, NEW, '--accept-data-loss');
    await until('the deploy to begin', () => deploysOf(stage) > deploys);
    const second = upgrade(stage, NEW, '--accept-data-loss');
    const looks = stage.tsuru.requests.count('GET', /\/events$/);
    await until('the second to look at the deploy', () => stage.tsuru.requests.count('GET', /\/events$/) > looks);
    stage.tsuru.delays.startingMs = 0;
    assert.match((await first).out, /^upgraded {3}one /);
    assert.match((await second).out, /^was there {2}one\n/);
    assert.equal(deploysOf(stage), deploys + 1);
  });

  it('follows a deploy whose request broke off to its end', async () => {
    await using stage = await startUp('one');
    stage.tsuru.delays.startingMs = 60_000;
    const deploys = deploysOf(stage);
    const upgraded = upgrade(stage, NEW, '--accept-data-loss');
    await until('the deploy to begin', () => deploysOf(stage) > deploys);
    await stage.admin.call('POST', '/local/outage', { json: { seconds: 1 } });
    stage.tsuru.delays.startingMs = 0;
    const { exitCode, out } = await upgraded;
    assert.deepEqual([exitCode, out.startsWith('upgraded   one ')], [0, true], out);
    assert.equal(deploysOf(stage), deploys + 1);
  });

  it('does an instance again whose deploy was noted and never begun', async () => {
    await using stage = await startUp('one');
    const { tsuru } = stage;
    tsuru.faults.add({
      kind: 'status',
      status: 500,
      body: 'no luck',
      method: 'POST',
      path: '/apps/prometheus-one/deploy',
      times: 1,
    });
    const failed = await upgrade(stage, NEW, '--accept-data-loss');
    assert.match(failed.out, /^FAILED {5}one: .*no luck/);
    assert.match((await upgrade(stage, NEW, '--accept-data-loss')).out, /^upgraded {3}one /);
  });

  it('refuses an instance that there is not', async () => {
    await using stage = await startUp('first');
    const { exitCode, err } = await upgrade(stage, NEW, '--only', 'firs');
    assert.equal(exitCode, 2);
    assert.match(err, /^There is no instance firs, did you mean "first"\? See /);
  });
});

describe('the parameter image', () => {
  it('deploys the newest version once: the same value does nothing, also after an upgrade past it', async () => {
    await using stage = await startUp('my-instance');
    const newer = await stage.startBroker({ BROKER_IMAGE: NEW });
    stage.tsuru.addService({
      name: 'prometheus',
      endpoint: newer.url,
      username: 'tsuru',
      password: 'a-password-of-tsuru',
    });
    assert.equal((await stage.info())['In force'], 'small (c0.5m1); image 1, the newest is 2');
    const before = await unitsOf(stage);
    const deploys = deploysOf(stage);
    const want = async (version: string): Promise<string> => {
      const { body } = await stage.update('my-instance', { 'parameters.image': version });
      return body;
    };
    const refused = await want('1.2.3');
    assert.match(refused, /There is no version 1\.2\.3 of the image: the newest is 2\..*--remove-param image/);
    await expect(stage.update('my-instance', { description: 'change 1', 'parameters.image': '1' }), 200);
    assert.equal(deploysOf(stage), deploys, 'it has this one');
    await expect(stage.update('my-instance', { description: 'change 2', 'parameters.image': '2' }), 200);
    await until(
      'the new unit',
      async () => (await unitsOf(stage)) !== before && (await stage.status()).endsWith('is up'),
    );
    assert.equal((await stage.info())['In force'], 'small (c0.5m1)');
    await expect(stage.update('my-instance', { description: 'change 3', 'parameters.image': '2' }), 200);
    assert.equal(deploysOf(stage), deploys + 1);
    const newest = await stage.startBroker({ BROKER_IMAGE: 'shop/prometheus:3' });
    await upgrade(stage, 'shop/prometheus:3', '--accept-data-loss');
    stage.tsuru.addService({
      name: 'prometheus',
      endpoint: newest.url,
      username: 'tsuru',
      password: 'a-password-of-tsuru',
    });
    await expect(
      stage.update('my-instance', { description: 'change 4', 'parameters.image': '2', 'parameters.retention': '3d' }),
      200,
    );
    assert.equal(deploysOf(stage), deploys + 2);
    assert.equal((await stage.info())['In force'], 'small (c0.5m1)');
  });

  it('is refused for a new instance where it is not the newest', async () => {
    await using stage = await startStage();
    const refused = await stage.add('my-instance', { 'parameters.image': '0' });
    assert.match(refused.body, /There is no version 0 of the image: the newest is 1\./);
    await expect(stage.add('my-instance', { 'parameters.image': OLD.split(':')[1] ?? '' }), 201);
  });
});
