import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../../support/instance.ts';
import { viewPrometheus, type PrometheusView } from '../../support/prometheus.ts';
import { startService, withInstances, type Service } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { metricsUnit } from '../../support/world.ts';
import { createApp, createClient, type Client } from '../../tsuru/client.ts';
import { startTsuru } from '../../tsuru/server.ts';
import { APP, environmentOf, inAnyOrder, startStage, type Stage } from '../stage.ts';
import { runBroker, type Run } from './run.ts';

/** A start of Prometheus on a slow machine, and scrapes. */
const LIMIT_MS = 120_000;

describe('the rotation of a real instance', () => {
  it('gives it a new password and a new token while it scrapes, and the old ones end', async () => {
    await using stack = new AsyncDisposableStack();
    const tsuru = await startTsuru({ images: withInstances(() => ({ processes: { web: metricsUnit } })) });
    stack.defer(() => tsuru.close());
    const admin = createClient(tsuru.url, tsuru.adminToken);
    const service = await startService(stack, tsuru);
    await createApp(admin, 'first', 'shop/app:1');
    await createApp(admin, 'second', 'shop/app:1');
    await service.add('my-instance', 'shop');
    await service.untilUp('my-instance');
    await service.bind('my-instance', 'first');
    const old = await accessOf(service);
    await old.view.untilTargets(
      'first up',
      (all) => all.some(({ job, health }) => job === 'first' && health === 'up'),
      LIMIT_MS,
    );
    const [unit] = tsuru.units(APP);

    const run = await runBroker(['rotate', '--password'], service.environment);
    assert.deepEqual(
      [run.exitCode, run.out],
      [0, 'done     my-instance, while it runs\n\n1 instance with a new password.\n'],
    );
    const now = await accessOf(service);
    assert.notEqual(now.password, old.password);
    assert.equal((await statusOf(old)).status, 401);
    assert.equal((await statusOf(now)).status, 200);

    const before = await tokenOf(admin);
    const rotated = await runBroker(['rotate', '--token', '--only', 'my-instance'], service.environment);
    assert.equal(rotated.exitCode, 0, rotated.out);
    const token = await tokenOf(admin);
    assert.notEqual(token, before);
    await service.bind('my-instance', 'second');
    await now.view.untilTargets(
      'second up',
      (all) => all.some(({ job, health }) => job === 'second' && health === 'up'),
      LIMIT_MS,
    );
    for (const secret of [old.password, now.password, before, token])
      for (const { out, err } of [run, rotated]) assert.ok(!(out + err).includes(secret));
    await assertNoGap(now.view);
    assert.equal(tsuru.units(APP)[0]?.name, unit?.name, 'nothing was restarted');
    const log = await logOf(admin);
    assert.match(log, /took over what the broker handed over/);
    for (const secret of [now.password, token]) assert.ok(!log.includes(secret));
  });
});

describe('the rotation of an instance', { concurrency: 2 }, () => {
  it('stops at one that takes nothing while it runs, and changes nothing of it', async () => {
    await using stage = await startUp('one', 'two');
    stage.say(({ path }) => ({ status: path === '/tsuru/access' ? 404 : 200, body: '{"ready": true}' }));
    const before = await valuesOf(stage);
    const { exitCode, out } = await rotate(stage, '--password');
    assert.equal(exitCode, 1);
    assert.equal(
      out,
      'FAILED   one: its agent is of an earlier version, which takes nothing while it runs: ' +
        'with --accept-data-loss it is restarted, and its data start empty\nleft     two\n\n' +
        '0 instances with a new password. Name those that are left with --only.\n',
    );
    assert.deepEqual(await valuesOf(stage), before);
    const [unit] = stage.tsuru.units('prometheus-one');
    const restarted = await rotate(stage, '--token', '--only', 'one', '--accept-data-loss');
    assert.match(restarted.out, /^done {5}one, restarted\n/);
    assert.notEqual(stage.tsuru.units('prometheus-one')[0]?.name, unit?.name);
  });

  it('restarts one that cannot keep what it is given, but only with consent to lose data', async () => {
    await using stage = await startUp('one');
    stage.say(({ path, body }) =>
      path === '/tsuru/access'
        ? { status: body === '{}' ? 400 : 503, body: 'Not taken over, as it cannot be kept: ENOSPC.' }
        : { status: 200, body: '{"ready": true}' },
    );
    const before = await valuesOf(stage);
    const refused = await rotate(stage, '--password');
    assert.match(
      refused.out,
      /^FAILED {3}one: its agent answered 503 \(Not taken over, .*ENOSPC\.\): with --accept-data-loss/,
    );
    assert.equal(await valuesOf(stage), before);
    const [unit] = stage.tsuru.units('prometheus-one');
    const restarted = await rotate(stage, '--password', '--accept-data-loss');
    assert.match(restarted.out, /^done {5}one, restarted\n/);
    assert.notEqual(await valuesOf(stage), before);
    assert.notEqual(stage.tsuru.units('prometheus-one')[0]?.name, unit?.name);
  });

  it('tells which bound apps have the old password in their variables', async () => {
    await using stage = await startUp();
    await stage.createApp('my-app');
    await expect(stage.add('one', { 'parameters.bind_env': 'true' }), 201);
    await until('one to be up', async () => (await stage.status('one')).endsWith('is up'));
    await expect(stage.bind('my-app', 'one'), 200);
    stage.say(({ path, body }) => ({
      status: path === '/tsuru/access' && body === '{}' ? 400 : 200,
      body: '{"ready": true}',
    }));
    const { out } = await rotate(stage, '--password');
    assert.match(
      out,
      /^done {5}one, while it runs; the variables of my-app have the old password until they are unbound and bound again\n/,
    );
  });

  it('needs to be told what is rotated', async () => {
    const { exitCode, err } = await runBroker(['rotate']);
    assert.equal(exitCode, 2);
    assert.match(err, /^Either --password or --token must be given\. See /);
  });
});

async function startUp(...names: readonly string[]): Promise<Stage> {
  const stage = await startStage({ reconciles: false });
  for (const name of names) {
    await expect(stage.add(name), 201);
    await until(`${name} to be up`, async () => (await stage.status(name)).endsWith('is up'));
  }
  return stage;
}

function rotate(stage: Stage, ...args: readonly string[]): Promise<Run> {
  return runBroker(['rotate', ...args], environmentOf(stage.tsuru.url, stage.brokerToken));
}

async function valuesOf({ admin }: Stage): Promise<string> {
  const path = '/1.0/apps/prometheus-one/env?env=GATEWAY_PASSWORD&env=TSURU_TOKEN';
  return inAnyOrder((await admin.call('GET', path)).body);
}

interface InstanceAccess {
  readonly view: PrometheusView;
  readonly address: string;
  readonly user: string;
  readonly password: string;
}

async function accessOf(service: Service): Promise<InstanceAccess> {
  const info = await service.info('my-instance');
  const [user = '', password = ''] = (info['User and Password'] ?? '').split(' / ');
  const address = info['Address'] ?? '';
  return { address, user, password, view: viewPrometheus(address, { user, password }) };
}

function statusOf({ address, user, password }: InstanceAccess): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return fetch(`${address}/tsuru/status`, { headers: { authorization } });
}

async function tokenOf(admin: Client): Promise<string> {
  return (JSON.parse((await admin.call('GET', `/1.7/tokens/${APP}`)).body) as { token: string }).token;
}

async function logOf(admin: Client): Promise<string> {
  return (await admin.call('GET', `/1.0/apps/${APP}/log?lines=1000`)).body;
}

/** Every scrape of `first` since it was bound succeeded. */
async function assertNoGap(view: PrometheusView): Promise<void> {
  const lowest = await view.query('min_over_time(up{job="first"}[5m])');
  assert.deepEqual([...lowest.values()], [1]);
}
