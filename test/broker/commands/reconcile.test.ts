import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reconcile } from '../../../broker/commands/reconcile.ts';
import { expect } from '../../support/instance.ts';
import { until } from '../../support/until.ts';
import { runBroker } from './run.ts';
import { APP, environmentOf, grantsOf, partsOf, startStage, type Stage } from '../stage.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

async function run(stage: Stage, ...options: readonly string[]): Promise<{ code: number; lines: readonly string[] }> {
  const lines: string[] = [];
  const output = {
    isJson: false,
    report: (_: unknown, report: readonly string[]) => void lines.push(...report),
    say: () => undefined,
    progress: () => undefined,
  };
  const environment = environmentOf(stage.tsuru.url, stage.brokerToken);
  const given = new Map(options.map((name) => [name, ['true']] as const));
  return { code: await reconcile.run({ given, environment, output }), lines };
}

describe('the command reconcile', { concurrency: 2 }, () => {
  it('says that nothing differs where nothing does', async () => {
    await using stage = await startStage({ reconciles: false });
    await expect(stage.add(), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    assert.deepEqual(await run(stage), { code: 0, lines: ['Nothing differs.'] });
  });

  it('is a command of the program, with its report as JSON', async () => {
    await using stage = await startStage({ reconciles: false });
    await expect(stage.add(), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    await expect(stage.admin.call('DELETE', `/1.6/tokens/${APP}`), 200);
    const environment = environmentOf(stage.tsuru.url, stage.brokerToken);
    const { exitCode, out } = await runBroker(['reconcile', '--dry-run', '--json'], environment);
    const text = `make the token ${APP}, which is missing, with its grants`;
    const line = { outcome: 'would', act: 'restore_token', instance: 'my-instance', text };
    assert.deepEqual([exitCode, JSON.parse(out)], [0, [line]]);
  });

  it('shows in a dry run what would be done and what waits, and changes nothing; then does the first', async () => {
    await using stage = await startStage({ reconciles: false });
    await stage.createApp('another');
    await expect(stage.add(), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    await expect(stage.ask('POST', '/resources', { body: 'name=leftover&team=shop', headers: FORM }), 201);
    const form = { token_id: APP, context: 'another' };
    await expect(stage.admin.call('POST', '/1.6/roles/prometheus-reader/token', { form }), 200);
    const before = [await grantsOf(stage), await partsOf(stage)];

    const writes = (): number =>
      stage.tsuru.requests.all().filter(({ method, path }) => method !== 'GET' && !path.includes('/deploy')).length;
    const asked = writes();
    const dry = await run(stage, 'dry-run');
    assert.equal(writes(), asked);
    assert.deepEqual(dry, {
      code: 0,
      lines: [
        `would  revoke another from ${APP}: it is not bound`,
        ...['app', 'volume', 'token'].map(
          (what) =>
            `waits  remove the ${what} prometheus-leftover, if Tsuru confirms that it knows no instance leftover`,
        ),
        '',
        '4 differences.',
      ],
    });
    assert.deepEqual([await grantsOf(stage), await partsOf(stage)], before);

    const { code, lines } = await run(stage);
    assert.deepEqual([code, lines[0]], [0, `done   revoked another from ${APP}: it is not bound`]);
    assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
  });

  it('has exit code 1 and the reason where an act fails, or nothing is known', async () => {
    await using stage = await startStage({ reconciles: false });
    await expect(stage.add(), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    await stage.admin.call('DELETE', `/1.0/apps/${APP}/env?env=GATEWAY_PASSWORD&noRestart=true`);
    const refused = stage.tsuru.faults.add({ kind: 'status', status: 500, method: 'POST', path: `/apps/${APP}/env` });
    const failed = await run(stage);
    assert.equal(failed.code, 1);
    assert.match(failed.lines[0] ?? '', /^failed {2}my-instance \(restore_variables\): /);
    refused();
    stage.tsuru.faults.add({ kind: 'status', status: 204, method: 'GET', path: '/services/instances' });
    const unknown = await run(stage);
    assert.equal(unknown.code, 1);
    assert.match(unknown.lines[0] ?? '', /^unknown {2}.* lacks the service prometheus/);
  });
});
