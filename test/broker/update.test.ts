import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryFolder } from '../support/folder.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { standBetween } from './between.ts';
import { APP, askBroker, startStage, type Stage, type StageOptions, inAnyOrder } from './stage.ts';

async function startUp(options: StageOptions = {}): Promise<Stage> {
  const stage = await startStage(options);
  await expect(stage.add(), 201);
  await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
  return stage;
}

async function unitsOf({ admin }: Stage): Promise<string[]> {
  const { units } = JSON.parse((await admin.call('GET', `/1.0/apps/${APP}`)).body) as { units: { Name: string }[] };
  return units.map(({ Name }) => Name);
}

async function annotation({ admin }: Stage, name: string): Promise<string | undefined> {
  const { metadata } = JSON.parse((await admin.call('GET', `/1.0/apps/${APP}`)).body) as {
    metadata: { annotations: { name: string; value: string }[] };
  };
  return metadata.annotations.find((item) => item.name === name)?.value;
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** Without the plan that instances of these tests have. */
const PLANS = `plans:
  - name: big
    default: true
    tsuru_plan: c1m4
    memory: 4GB
    storage: { kind: tmpfs, volume_plan: tmpfs, size: 1000MB }
    settings: { retention: 15d }
`;

/** A Tsuru with disks, and plans with and without one. */
async function startDisks(): Promise<Stage> {
  const plan = (name: string, tsuruPlan: string, kind: string, volumePlan: string): string =>
    `  - { name: ${name}, tsuru_plan: ${tsuruPlan}, memory: 1GB, settings: { retention: 7d },\n` +
    `      storage: { kind: ${kind}, volume_plan: ${volumePlan}, size: 200MB }, default: ${name === 'memory'} }\n`;
  const plans = [
    ...[plan('memory', 'c0.5m1', 'tmpfs', 'tmpfs'), plan('disk', 'c0.5m1', 'ephemeral', 'disk')],
    ...[plan('faster', 'c1m1', 'ephemeral', 'disk'), plan('node', 'c1m1', 'ephemeral', 'tmpfs')],
  ];
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'plans.yaml');
  await writeFile(path, `plans:\n${plans.join('')}`);
  const disk = { plugin: 'ephemeral', capacity: '200Mi', 'access-modes': 'ReadWriteOnce' };
  return await startStage({
    environment: { BROKER_PLANS: path },
    tsuru: { volumePlans: { tmpfs: { plugin: 'emptyDir' }, disk } },
  });
}

describe('an update', () => {
  it('of settings goes live through the annotation, and nothing restarts', async () => {
    await using stage = await startUp();
    const units = await unitsOf(stage);
    await expect(stage.update('my-instance', { 'parameters.retention': '10d', 'parameters.bind_env': 'true' }), 200);
    assert.equal(
      (JSON.parse((await annotation(stage, 'prometheus-service/settings')) ?? '') as { retention: string }).retention,
      '10d',
    );
    assert.equal(await annotation(stage, 'prometheus-service/bind-env'), 'true');
    assert.deepEqual(await unitsOf(stage), units);
  });

  it('that leaves a setting out restores its default: it is the whole new state', async () => {
    await using stage = await startUp();
    await expect(
      stage.update('my-instance', { 'parameters.scrape_interval': '30s', 'parameters.bind_env': 'true' }),
      200,
    );
    await expect(stage.update('my-instance', { description: 'other' }), 200);
    assert.doesNotMatch((await annotation(stage, 'prometheus-service/settings')) ?? '', /scrape_interval/);
    assert.equal(await annotation(stage, 'prometheus-service/bind-env'), undefined);
  });

  it('keeps the plan and the unit where somebody edited the name of the plan', async () => {
    await using stage = await startUp();
    const units = await unitsOf(stage);
    const name = 'prometheus-service/plan';
    for (const { retention, item } of [
      { retention: '3d', item: { name, delete: true } },
      { retention: '4d', item: { name, value: 'nonsense' } },
      { retention: '5d', item: { name, value: 'medium' } },
    ]) {
      const json = { metadata: { annotations: [item] }, noRestart: true };
      await expect(stage.admin.call('PUT', `/1.0/apps/${APP}`, { json }), 200);
      await expect(stage.update('my-instance', { 'parameters.retention': retention }), 200);
      assert.equal(await annotation(stage, name), 'small');
      assert.deepEqual(await unitsOf(stage), units);
    }
  });

  it('of the plan restarts the unit with a new volume, and says that it starts empty', async () => {
    await using stage = await startUp();
    const units = await unitsOf(stage);
    const { status, body } = await stage.ask('PUT', '/resources/my-instance', {
      body: 'team=shop&plan=medium',
      headers: FORM,
    });
    assert.deepEqual(
      [status, body],
      [200, 'the plan is now medium; the unit was restarted, its memory, and so its data, start empty'],
    );
    assert.notDeepEqual(await unitsOf(stage), units);
    assert.match((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body, /"sizeLimit":"2000Mi"/);
    assert.equal((await stage.info())['In force'], 'medium (c1m4)');
  });

  it('of the team gives app and volume to the new one, restarts nothing, and goes away with its token', async () => {
    await using stage = await startUp();
    const units = await unitsOf(stage);
    await expect(stage.update('my-instance', { teamOwner: 'ops' }), 200);
    assert.deepEqual(await unitsOf(stage), units);
    const done = 'app and volume are now of the team ops, the token stays with the one before, nothing restarts';
    assert.ok(stage.lines.some((line) => line.includes(done)));
    assert.match((await stage.admin.call('GET', `/1.0/apps/${APP}`)).body, /"teamowner":"ops"/);
    assert.match((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body, /"TeamOwner":"ops"/);
    await expect(stage.remove(), 200);
    assert.equal((await stage.admin.call('GET', `/1.7/tokens/${APP}`)).status, 404);
  });

  it('that changes nothing only reads', async () => {
    await using stage = await startUp();
    stage.tsuru.requests.clear();
    const { body } = await stage.ask('PUT', '/resources/my-instance', { body: 'team=shop&plan=small', headers: FORM });
    assert.equal(body, 'nothing to do');
    assert.deepEqual([...new Set(stage.tsuru.requests.all().map(({ method }) => method))], ['GET']);
    assert.ok(stage.tsuru.requests.all().length <= 10, 'it asks Tsuru for the same again and again');
  });

  it('that is invalid is refused before anything is changed', async () => {
    await using stage = await startUp();
    const read = async (): Promise<string> => inAnyOrder((await stage.admin.call('GET', `/1.0/apps/${APP}`)).body);
    const before = await read();
    for (const [form, words] of [
      [{ plan: 'smal' }, /There is no plan "smal", did you mean "small"\?/],
      [
        { plan: 'medium', 'parameters.retention': '180d' },
        /retention=180d cannot be used: 90d is the most that the plan allows/,
      ],
      [{ 'parameters.pool': 'other' }, /runs in the pool dev, which cannot be changed/],
      [{ 'parameters.retenion': '3d' }, /did you mean "retention"\?/],
      [{ 'parameters.storage': 'ephemeral' }, /storage is a matter of the plan/],
    ] as const) {
      const { status, body } = await stage.update('my-instance', form);
      assert.equal(status, 500);
      assert.match(body, words);
    }
    assert.equal(await read(), before);
  });

  it('of the plan that Tsuru refuses leaves the volume as it was, and names the pool', async () => {
    await using stage = await startUp();
    const body = 'App plan "c1m4" is not allowed on pool "dev"\n';
    stage.tsuru.faults.add({ kind: 'status', status: 400, body, method: 'PUT', path: `/apps/${APP}` });
    const refused = await stage.ask('PUT', '/resources/my-instance', { body: 'team=shop&plan=medium', headers: FORM });
    assert.equal(refused.status, 400);
    assert.match(
      refused.body,
      /^The plan medium is Tsuru's c1m4, which is not allowed in the pool dev: choose another plan or pool\. .* -p small"\.$/,
    );
    assert.match((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body, /"sizeLimit":"256Mi"/);
  });

  it('without a plan keeps the one it has, and is refused when that is no longer offered', async () => {
    await using stage = await startUp();
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'plans.yaml');
    await writeFile(path, PLANS);
    const { url } = await stage.startBroker({ BROKER_PLANS: path });
    const { status, body } = await askBroker(url, 'PUT', '/resources/my-instance', {
      body: 'team=shop',
      headers: FORM,
    });
    assert.deepEqual(
      [status, body],
      [
        400,
        'The plan small of this instance is no longer offered: run "tsuru service-instance-update prometheus my-instance -p PLAN" with one of big.',
      ],
    );
    assert.equal((await stage.info())['In force'], 'small (c0.5m1)');
  });

  it('of an instance whose first deploy failed deploys it anew, with the new plan', async () => {
    await using stage = await startStage({ tsuru: { delays: { deployTimeoutMs: 100, startingMs: 60_000 } } });
    await expect(stage.add(), 201);
    await until('the failure', async () => (await stage.status()).includes('not deployed: '));
    // On a busy machine the second deploy may take longer than the limit of the first.
    Object.assign(stage.tsuru.delays, { startingMs: 0, deployTimeoutMs: 60_000 });
    const { status, body } = await stage.ask('PUT', '/resources/my-instance', {
      body: 'team=shop&plan=medium',
      headers: FORM,
    });
    assert.deepEqual([status, body], [200, 'the plan is medium; the instance had no unit yet, and is being deployed']);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    assert.equal((await stage.info())['In force'], 'medium (c1m4)');
    assert.equal(stage.tsuru.requests.count('POST', /\/restart$/), 0);
  });

  it('of the team that Tsuru refuses leaves the volume with the old one', async () => {
    await using stage = await startUp();
    const body = 'App team owner "ops" has no access to pool "dev"\n';
    stage.tsuru.faults.add({ kind: 'status', status: 400, body, method: 'PUT', path: `/apps/${APP}` });
    const refused = await stage.ask('PUT', '/resources/my-instance', { body: 'team=ops&plan=small', headers: FORM });
    assert.match(refused.body, /The team ops may not use the pool dev/);
    assert.match((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body, /"TeamOwner":"shop"/);
  });

  it('of the plan whose new volume Tsuru refuses leaves the old one, bound as it was', async () => {
    await using stage = await startDisks();
    await expect(stage.add('my-instance', { plan: 'memory' }), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    const before = (await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body;
    const body = 'volume-plan not present in pool constraint\n';
    stage.tsuru.faults.add({ kind: 'status', status: 400, body, method: 'POST', path: '/volumes', times: 1 });
    const refused = await stage.ask('PUT', '/resources/my-instance', { body: 'team=shop&plan=disk', headers: FORM });
    assert.equal(refused.status, 400);
    assert.match(refused.body, /a volume of the plan disk, which is not allowed in the pool dev or does not exist/);
    assert.equal((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body, before);
  });

  it('of the plan is refused before anything changes where its volume plan cannot hold its data, as a creation is', async () => {
    await using stage = await startDisks();
    const problem =
      "The plan node cannot keep its data in the volume plan tmpfs, which is an emptyDir on the node's disk, where Kubernetes evicts a unit above 100 MiB: use the plugin ephemeral, or the kind tmpfs. Choose another plan, and tell an administrator.";
    const refused = await stage.add('my-instance', { plan: 'node' });
    assert.equal(refused.status, 500);
    assert.ok(refused.body.includes(problem), refused.body);
    assert.equal((await stage.admin.call('GET', `/1.0/apps/${APP}`)).status, 404);
    await expect(stage.add('my-instance', { plan: 'memory' }), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    stage.tsuru.requests.clear();
    const update = await stage.ask('PUT', '/resources/my-instance', { body: 'team=ops&plan=node', headers: FORM });
    assert.equal(update.status, 400);
    assert.ok(update.body.startsWith(problem), update.body);
    assert.ok(update.body.endsWith('run "tsuru service-instance-update prometheus my-instance -p memory".'));
    assert.deepEqual([...new Set(stage.tsuru.requests.all().map(({ method }) => method))], ['GET']);
  });

  it('of the plan never takes a disk away, which Tsuru does not exchange, and says so before anything is changed', async () => {
    await using stage = await startDisks();
    await expect(stage.add('my-instance', { plan: 'disk' }), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    stage.tsuru.requests.clear();
    const refused = await stage.ask('PUT', '/resources/my-instance', { body: 'team=ops&plan=memory', headers: FORM });
    assert.equal(refused.status, 400);
    assert.match(
      refused.body,
      /^The instance has a disk, of the volume plan disk, which cannot be exchanged for what the plan memory has: add another instance with that plan\. .* -p disk"\.$/,
    );
    assert.deepEqual([...new Set(stage.tsuru.requests.all().map(({ method }) => method))], ['GET']);
    const larger = await stage.ask('PUT', '/resources/my-instance', { body: 'team=ops&plan=faster', headers: FORM });
    assert.deepEqual(
      [larger.status, larger.body],
      [200, 'the plan is now faster; the unit was restarted, its disk starts empty'],
    );
    const moved = await stage.ask('PUT', '/resources/my-instance', { body: 'team=shop&plan=faster', headers: FORM });
    assert.deepEqual(
      [moved.status, moved.body],
      [200, 'the app is now of the team shop, the token stays with the one before, nothing restarts'],
    );
  });

  it('of the plan that Tsuru did, though a proxy answered an error, keeps the new volume', async () => {
    await using stage = await startUp();
    await using between = await standBetween(stage.tsuru.url);
    const { url } = await stage.startBroker({ TSURU_HOST: between.url });
    // The app is asked for first.
    between.fail(1, 'obeyed, but 504', /\/apps\/[^/]+$/);
    const told = await askBroker(url, 'PUT', '/resources/my-instance', {
      body: 'team=shop&plan=medium',
      headers: FORM,
    });
    assert.ok(told.status >= 500, told.body);
    assert.equal(between.failed, `PUT /1.0/apps/${APP}`);
    assert.equal((await stage.info())['In force'], 'medium (c1m4)');
    assert.match((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body, /"sizeLimit":"2000Mi"/);
  });

  it('of an instance whose app is gone says so, and is no silent success', async () => {
    await using stage = await startUp();
    await expect(stage.admin.call('DELETE', `/1.0/apps/${APP}`), 200);
    const { body } = await stage.update('my-instance', { description: 'x' });
    assert.match(body, /is gone: run "tsuru service-instance-remove prometheus my-instance" and add it again/);
  });

  for (const { what, method, path } of [
    { what: 'the app is asked for', method: 'GET', path: `/apps/${APP}` },
    { what: 'the volume is asked for', method: 'GET', path: `/volumes/${APP}` },
    { what: 'the volume is changed', method: 'POST', path: `/volumes/${APP}` },
    { what: 'the app is changed', method: 'PUT', path: `/apps/${APP}` },
  ]) {
    it(`of the plan that fails when ${what} is finished by the retry; until then the old plan is shown`, async () => {
      await using stage = await startUp();
      stage.tsuru.faults.add({ kind: 'status', status: 500, method, path, times: 1 });
      assert.equal((await stage.update('my-instance', { plan: 'medium' })).status, 500);
      assert.equal((await stage.info())['In force'], 'small (c0.5m1)');
      const retried = await stage.ask('PUT', '/resources/my-instance', {
        body: 'team=shop&plan=medium',
        headers: FORM,
      });
      assert.equal(retried.status, 200, retried.body);
      assert.equal((await stage.info())['In force'], 'medium (c1m4)');
      assert.match((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body, /"sizeLimit":"2000Mi"/);
    });
  }

  for (const [method, path] of [
    ['POST', `/volumes/${APP}`],
    ['PUT', `/apps/${APP}`],
  ] as const) {
    it(`of the plan whose connection breaks at ${method} ${path} is finished by the retry`, async () => {
      await using stage = await startUp();
      stage.tsuru.faults.add({ kind: 'cut', method, path, times: 1 });
      const body = 'team=shop&plan=medium&parameters.retention=3d';
      const { status } = await stage.ask('PUT', '/resources/my-instance', { body, headers: FORM });
      // An answer without a body may arrive whole.
      assert.ok([200, 503].includes(status));
      await until('the retry', async () => {
        return (await stage.ask('PUT', '/resources/my-instance', { body, headers: FORM })).body === 'nothing to do';
      });
      assert.equal((await stage.info())['In force'], 'medium (c1m4)');
      assert.match((await annotation(stage, 'prometheus-service/settings')) ?? '', /"retention":"3d"/);
      assert.match((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body, /"sizeLimit":"2000Mi"/);
    });
  }
});

describe('a removal', () => {
  const STEPS = [`/apps/${APP}`, `/volumes/${APP}`, `/tokens/${APP}`];
  for (const path of STEPS) {
    for (const kind of ['status', 'cut'] as const) {
      it(`that fails at DELETE ${path} (${kind}) says what is still there, and the retry finishes`, async () => {
        await using stage = await startUp();
        stage.tsuru.faults.add(
          kind === 'cut'
            ? { kind, method: 'DELETE', path, times: 1 }
            : { kind, status: 500, method: 'DELETE', path, times: 1 },
        );
        const first = await stage.ask('DELETE', '/resources/my-instance');
        if (first.status !== 200) assert.match(first.body, /Still there: .+; remove the instance again\./);
        await expect(stage.ask('DELETE', '/resources/my-instance'), 200);
        for (const part of STEPS)
          assert.equal(
            (
              await stage.admin.call(
                'GET',
                part.replace(/^/, part.startsWith('/tokens') ? '/1.7' : part.startsWith('/vol') ? '/1.4' : '/1.0'),
              )
            ).status,
            404,
          );
      });
    }
  }

  it('that Tsuru refuses leaves the app with its volume and token', async () => {
    await using stage = await startUp();
    const body = 'error: block app.delete by a@b.c on all targets: freeze\n';
    stage.tsuru.faults.add({ kind: 'status', status: 500, body, method: 'DELETE', path: `/apps/${APP}` });
    const refused = await stage.ask('DELETE', '/resources/my-instance');
    assert.equal(refused.status, 500);
    assert.match(refused.body, new RegExp(`Still there: the app ${APP}, the volume ${APP}, the token ${APP};`));
    for (const path of [`/1.0/apps/${APP}`, `/1.4/volumes/${APP}`, `/1.7/tokens/${APP}`]) {
      assert.equal((await stage.admin.call('GET', path)).status, 200, path);
    }
  });

  it('of missing or foreign parts is 200 and touches nothing', async () => {
    await using stage = await startStage();
    await expect(stage.ask('DELETE', '/resources/nobody'), 200);
    await expect(stage.admin.call('POST', '/1.0/apps', { json: { name: APP, teamOwner: 'shop', pool: 'dev' } }), 201);
    const form = { token_id: APP, team: 'shop', expires_in: 0 };
    await expect(stage.admin.call('POST', '/1.6/tokens', { form }), 201);
    await expect(stage.ask('DELETE', '/resources/my-instance'), 200);
    assert.equal((await stage.admin.call('GET', `/1.0/apps/${APP}`)).status, 200);
    assert.equal((await stage.admin.call('GET', `/1.7/tokens/${APP}`)).status, 200);
  });

  it('waits for a deploy in flight', async () => {
    await using stage = await startStage({ tsuru: { locks: { appWaitMs: 100 } } });
    stage.tsuru.delays.startingMs = 2_000;
    await expect(stage.add(), 201);
    assert.match(await stage.status(), /is pending/);
    await expect(stage.remove(), 200);
    assert.equal((await stage.admin.call('GET', `/1.0/apps/${APP}`)).status, 404);
    assert.equal(stage.tsuru.requests.count('POST', /deploy$/), 1);
  });
});

describe('two installations on one Tsuru', () => {
  it('have instances of one name that never touch each other’s parts', async () => {
    await using stage = await startUp();
    const other = await stage.startBroker({ BROKER_SERVICE: 'metrics' });
    stage.tsuru.addService({
      name: 'metrics',
      endpoint: other.url,
      username: 'tsuru',
      password: 'a-password-of-tsuru',
    });
    const form = { name: 'my-instance', owner: 'shop' };
    await expect(stage.admin.call('POST', '/1.0/services/metrics/instances', { form }), 201);
    await expect(stage.admin.call('GET', '/1.0/apps/metrics-my-instance'), 200);
    await expect(stage.remove(), 200);
    await expect(stage.admin.call('GET', '/1.0/apps/metrics-my-instance'), 200);
    assert.equal((await stage.admin.call('GET', `/1.0/apps/${APP}`)).status, 404);
  });
});
