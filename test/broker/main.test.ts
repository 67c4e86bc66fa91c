import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freeAddress } from '../support/address.ts';
import { temporaryFolder } from '../support/folder.ts';
import { startProgram, type Program } from '../support/program.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { APP, AUTH, environmentOf, startStage } from './stage.ts';

const MAIN = fileURLToPath(new URL('../../broker/main.ts', import.meta.url));
const GOOD = environmentOf('http://127.0.0.1:1', 'a-token-of-the-broker');

function run(args: readonly string[], env: Readonly<Record<string, string>> = GOOD): Program {
  return startProgram({ command: process.execPath, args: [MAIN, ...args], env });
}

describe('the broker as a program', () => {
  it('shows its variables and its version, and refuses unknown arguments', async () => {
    const help = run(['--help'], {});
    assert.equal(await help.end, 0);
    for (const name of ['TSURU_HOST', 'BROKER_IMAGE', 'BROKER_PLANS'])
      assert.ok(help.lines.some((line) => line.includes(name)));
    const version = run(['--version'], {});
    assert.equal(await version.end, 0);
    assert.match(version.lines.join(), /^\d+\.\d+\.\d+$/);
    assert.equal(await run(['--halp'], {}).end, 2);
  });

  it('checks its environment and plans, and reports every problem', async () => {
    assert.equal(await run(['--check-config']).end, 0);
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'plans.yaml');
    await writeFile(file, 'plans: [{name: a, memory: 1MB}]');
    const bad = run(['--check-config'], { ...GOOD, BROKER_PLANS: file, BROKER_USERNAME: '' });
    assert.equal(await bad.end, 2);
    assert.ok(bad.lines.length >= 3, bad.lines.join('\n'));
  });

  it('finishes a running request when it is stopped, and says so in its log', async () => {
    await using stage = await startStage();
    const host = freeAddress();
    const env = { ...environmentOf(stage.tsuru.url, stage.brokerToken), BROKER_ADDRESS: host, PORT: '8888' };
    const program = run([], env);
    try {
      await until('the broker to listen', async () => (await fetch(`http://${host}:8888/healthz`)).status === 200);
      stage.tsuru.addService({ name: 'prometheus', endpoint: `http://${host}:8888`, ...AUTH });
      stage.tsuru.faults.add({ kind: 'latency', ms: 500, method: 'POST', path: '/tokens' });
      stage.tsuru.requests.clear();
      const added = stage.add();
      await until('the token', () => stage.tsuru.requests.count('POST', /tokens$/) > 0);
      const stopped = program.stop();
      await expect(added, 201);
      assert.equal(await stopped, 0);
      assert.ok(
        program.lines.some((line) =>
          line.includes('"msg":"created the instance my-instance: app prometheus-my-instance, plan small"'),
        ),
      );
      for (const secret of [stage.brokerToken, AUTH.password])
        assert.ok(!program.lines.some((line) => line.includes(secret)));
      await until('the deploy to end', async () =>
        (await stage.admin.call('GET', `/1.0/apps/${APP}`)).body.includes('"Ready":true'),
      );
    } finally {
      await program.stop();
    }
  });
});

describe('a multi-cluster service', () => {
  const pools = [
    { name: 'dev', isDefault: true, isPublic: true, provisioner: 'kubernetes' },
    {
      name: 'far',
      isDefault: false,
      isPublic: true,
      provisioner: 'kubernetes',
      cluster: { name: 'west', addresses: ['https://west'], kubeConfig: 'kube-config-secret' },
    },
  ];

  it('has its instances in the pool that Tsuru names, and its credentials in no log', async () => {
    await using stage = await startStage({ isMultiCluster: true, tsuru: { pools } });
    await expect(stage.add('my-instance', { pool: 'far' }), 201);
    const app = JSON.parse((await stage.admin.call('GET', `/1.0/apps/${APP}`)).body) as Record<string, unknown>;
    assert.deepEqual([app['pool'], app['cluster']], ['far', 'west']);
    const volume = JSON.parse((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body) as Record<string, unknown>;
    assert.equal(volume['Pool'], 'far');
    const secret = Buffer.from('kube-config-secret').toString('base64');
    assert.ok(!stage.lines.some((line) => line.includes(secret)));
    const refused = await stage.add('other', { pool: 'far', 'parameters.pool': 'dev' });
    assert.match(refused.body, /The instance's pool is far/);
  });

  it('has them else in the pool that the user names', async () => {
    await using stage = await startStage({ tsuru: { pools } });
    await expect(stage.add('my-instance', { 'parameters.pool': 'far' }), 201);
    assert.match((await stage.admin.call('GET', `/1.0/apps/${APP}`)).body, /"pool":"far"/);
  });
});
