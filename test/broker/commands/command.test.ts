import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { environmentOf, startStage } from '../stage.ts';
import { expect } from '../../support/instance.ts';
import { runBroker } from './run.ts';

const PROGRAM = 'npm run broker --';

describe('the command line of the broker', { concurrency: 4 }, () => {
  it('refuses an unknown command in one sentence, with the one that was meant', async () => {
    const { exitCode, out, err } = await runBroker(['chek']);
    assert.deepEqual([exitCode, out], [2, '']);
    assert.equal(err, `There is no command chek, did you mean "check"? See "${PROGRAM} --help".\n`);
  });

  it('lists the commands in its help, and the options of each in its own', async () => {
    const { exitCode, out } = await runBroker(['--help']);
    assert.equal(exitCode, 0);
    const names = [...out.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name = '']) => name);
    assert.ok(names.includes('check') && names.includes('list'));
    for (const name of names) {
      const help = await runBroker([name, '--help']);
      assert.equal(help.exitCode, 0);
      assert.ok(help.out.startsWith(`Usage: ${PROGRAM} ${name} [OPTIONS]\n`));
      assert.match(help.out, /\n {2}--json +prints the report as JSON\n/);
    }
  });

  it('refuses options that a command does not have, and an environment that cannot be used', async () => {
    const wrong = await runBroker(['list', '--jsn']);
    assert.equal(wrong.exitCode, 2);
    assert.equal(wrong.err, `Unknown option '--jsn'. See "${PROGRAM} list --help".\n`);
    const empty = await runBroker(['list']);
    assert.equal(empty.exitCode, 2);
    assert.match(empty.err, /^TSURU_HOST is not set: .+\nTSURU_TOKEN is not set: /);
    assert.equal((await runBroker(['list', 'my-instance'])).exitCode, 2);
  });
});

describe('the list of instances', () => {
  it('has a line for each instance, and its numbers in JSON', async () => {
    await using stage = await startStage();
    const env = environmentOf(stage.tsuru.url, stage.brokerToken);
    assert.match((await runBroker(['list'], env)).out, /\n0 instances\.\n$/);
    const unseen = await runBroker(['list'], { ...env, BROKER_SERVICE: 'nosuch' });
    assert.equal(unseen.exitCode, 1);
    assert.match(unseen.err, /^Tsuru lists no instance of the service nosuch for this token: there is none, or /);
    await stage.createApp('my-app');
    await expect(stage.add(), 201);
    await expect(stage.bind('my-app'), 200);
    stage.say(() => ({ status: 200, body: JSON.stringify(STATUS) }));
    const { exitCode, out } = await runBroker(['list'], env);
    assert.equal(exitCode, 0);
    const [head, line, end] = out.split('\n');
    assert.match(head ?? '', /^INSTANCE +TEAM +PLAN +VERSION +APPS +UP +STORAGE +PROBLEMS$/);
    assert.match(line ?? '', /^my-instance +shop +small +1\.2\.3 +1 +1\/2 +3\/256 MB +the disk is slow$/);
    assert.equal(end, '1 instance.');
    const json = await runBroker(['list', '--json'], env);
    assert.deepEqual(JSON.parse(json.out), [
      {
        ...{ instance: 'my-instance', team: 'shop', plan: 'small', tsuruPlan: 'c0.5m1' },
        ...{ version: '1.2.3', prometheus: '3.14.0', apps: ['my-app'], targets: 2, targetsUp: 1 },
        ...{ storageUsedBytes: 3_000_000, storageBytes: 268_435_456, problems: ['the disk is slow'] },
      },
    ]);
    assert.ok(!json.out.includes(stage.brokerToken));
  });

  it('says null of what it does not know', async () => {
    await using stage = await startStage();
    await expect(stage.add(), 201);
    stage.say(() => ({ status: 500, body: '' }));
    const { out } = await runBroker(['list', '--json'], environmentOf(stage.tsuru.url, stage.brokerToken));
    const [{ targets, storageUsedBytes, version, plan }] = JSON.parse(out) as [Record<string, unknown>];
    assert.deepEqual([targets, storageUsedBytes, version, plan], [null, null, null, 'small']);
  });
});

const STATUS = {
  ...{ ready: true, problems: ['the disk is slow'], sync: { inSync: true }, prometheus: { ready: true } },
  versions: { agent: '1.2.3', node: '24', prometheus: '3.14.0' },
  capacity: { volumeUsedBytes: 3_000_000, volumeBytes: 268_435_456 },
  apps: [
    {
      ...{ name: 'my-app', problems: [] },
      units: [
        { unit: 'a', health: 'up' },
        { unit: 'b', health: 'down' },
      ],
    },
  ],
};
