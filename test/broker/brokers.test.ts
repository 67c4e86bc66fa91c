import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { expect } from '../support/instance.ts';
import { startProgram } from '../support/program.ts';
import { systemClock } from '../../agent/shared/clock.ts';
import { freeAddress } from '../support/address.ts';
import { until } from '../support/until.ts';
import { standBetween } from './between.ts';
import { APP, AUTH, askBroker, environmentOf, grantsOf, partsOf, startStage, type Stage } from './stage.ts';

const MAIN = fileURLToPath(new URL('../../broker/main.ts', import.meta.url));

const STEPS = [
  '/apps',
  '/volumes',
  `/volumes/${APP}/bind`,
  '/tokens',
  '/roles/prometheus-reader/token',
  `/apps/${APP}/env`,
  `/apps/${APP}/deploy`,
];

/** Runs an operation on a broker of its own, which is killed while Tsuru is asked for this; then the next broker is there. */
async function killedAt(stage: Stage, method: string, path: string, operation: () => Promise<unknown>): Promise<void> {
  const { tsuru } = stage;
  const host = freeAddress();
  const env = { ...environmentOf(tsuru.url, stage.brokerToken), BROKER_ADDRESS: host, PORT: '8888' };
  const program = startProgram({ command: process.execPath, args: [MAIN], env });
  const endpoint = `http://${host}:8888`;
  try {
    await until('the broker to listen', async () => (await fetch(`${endpoint}/healthz`)).status === 200);
    tsuru.addService({ name: 'prometheus', endpoint, ...AUTH });
    const slow = tsuru.faults.add({ kind: 'latency', ms: 500, method, path });
    tsuru.requests.clear();
    const begun = operation();
    await until('the step', () =>
      tsuru.requests.all().some((seen) => seen.path.endsWith(path) && seen.method === method),
    );
    program.kill('SIGKILL');
    await begun;
    slow();
    tsuru.addService({ name: 'prometheus', endpoint: stage.broker.url, ...AUTH });
  } finally {
    await program.stop();
  }
}

describe('a broker that is killed', () => {
  for (const path of STEPS) {
    it(`while it creates, at POST ${path}, leaves what the next one finishes`, async () => {
      await using stage = await startStage();
      await killedAt(stage, 'POST', path, async () => {
        assert.equal((await stage.add()).status, 500);
      });
      await expect(stage.add(), 201);
      await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
      assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
      await expect(stage.remove(), 200);
      assert.equal((await stage.admin.call('GET', `/1.7/tokens/${APP}`)).status, 404);
    });
  }

  for (const path of STEPS) {
    it(`while it creates, at POST ${path}, leaves what another one removes when nobody tries again`, async () => {
      // The grace of the reconciler passes in seconds.
      const speed = 200;
      const clock = {
        ...systemClock,
        nowMs: () => systemClock.nowMs() * speed,
        sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / speed, signal),
      };
      await using stage = await startStage({ clock });
      await killedAt(stage, 'POST', path, async () => {
        assert.equal((await stage.add()).status, 500);
      });
      await until('the parts to be gone', async () => (await partsOf(stage)).length === 0);
      await expect(stage.add('my-instance', { owner: 'ops' }), 201);
    });
  }

  for (const [method, path] of [
    ['POST', `/volumes/${APP}`],
    ['PUT', `/apps/${APP}`],
  ] as const) {
    it(`while it updates, at ${method} ${path}, leaves what the next one finishes`, async () => {
      await using stage = await startStage();
      await expect(stage.add(), 201);
      await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
      await killedAt(stage, method, path, () => stage.update('my-instance', { plan: 'medium' }));
      // Tsuru has kept the new plan, and would find nothing new in the same again.
      await expect(stage.update('my-instance', { plan: 'medium', description: 'again' }), 200);
      assert.equal((await stage.info())['In force'], 'medium (c1m4)');
      assert.match((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body, /"sizeLimit":"2000Mi"/);
    });
  }

  for (const path of [`/apps/${APP}`, `/volumes/${APP}`, `/tokens/${APP}`]) {
    it(`while it removes, at DELETE ${path}, leaves what the next one finishes`, async () => {
      await using stage = await startStage();
      await expect(stage.add(), 201);
      await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
      await killedAt(stage, 'DELETE', path, () => stage.remove());
      await expect(stage.remove(), 200);
      for (const part of [`/1.0/apps/${APP}`, `/1.4/volumes/${APP}`, `/1.7/tokens/${APP}`]) {
        assert.equal((await stage.admin.call('GET', part)).status, 404, part);
      }
    });
  }
});

describe('a deploy', () => {
  it('that was to begin when the broker stopped is begun by the next', async () => {
    await using stage = await startStage();
    const { tsuru } = stage;
    const locked =
      'event locked: app(prometheus-my-instance) running "app.update" start by user a at 2026-11-23T04:16:49Z\n';
    const unlock = tsuru.faults.add({ kind: 'status', status: 500, body: locked, path: `/apps/${APP}/deploy` });
    await expect(stage.add(), 201);
    assert.match(await stage.status(), /is pending/);
    await stage.broker.stop();
    unlock();
    const next = await stage.startBroker();
    tsuru.addService({ name: 'prometheus', endpoint: next.url, ...AUTH });
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
  });

  it('that fails later is in the status of every broker, with the reason', async () => {
    await using stage = await startStage({ tsuru: { delays: { deployTimeoutMs: 100, startingMs: 60_000 } } });
    await stage.add();
    const other = await stage.startBroker();
    await until('the reason', async () => {
      const { status, body } = await askBroker(other.url, 'GET', '/resources/my-instance/status');
      return status === 200 && /^not deployed: .+; run "tsuru service-instance-update/.test(body);
    });
  });

  it('of an image that is not there is refused at once, and nothing is left', async () => {
    await using stage = await startStage({ environment: { BROKER_IMAGE: 'missing/image:1' } });
    const { body } = await stage.add();
    assert.match(body, /The service's image cannot be pulled: tell an administrator/);
    assert.equal((await stage.admin.call('GET', `/1.0/apps/${APP}`)).status, 404);
  });

  it('whose stream ends without OK, and left no event, is begun again', async () => {
    // Waits of seconds become moments.
    const clock = { ...systemClock, sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / 20, signal) };
    await using stage = await startStage({ clock });
    const path = `/apps/${APP}/deploy`;
    stage.tsuru.faults.add({ kind: 'body', body: '---- Building image ----\n', contentType: 'text', path, times: 1 });
    await expect(stage.add(), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
  });

  it("whose stream hangs is followed by its event, and delays neither a removal nor the broker's end", async () => {
    await using stage = await startStage();
    await using between = await standBetween(stage.tsuru.url);
    const broker = await stage.startBroker({ TSURU_HOST: between.url });
    stage.tsuru.addService({ name: 'prometheus', endpoint: broker.url, ...AUTH });
    between.fail(0, 'answer hangs', /\/deploy$/);
    await expect(stage.add(), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    assert.equal(between.failed, `POST /1.0/apps/${APP}/deploy`);
    assert.ok(!stage.lines.some((line) => line.includes(`${APP} is deployed`)), 'the stream has not hung');
    await expect(stage.remove(), 200);
    between.fail(0, 'answer hangs', /\/deploy$/);
    await expect(stage.add(), 201);
    await broker.stop();
  });

  it('whose stream breaks off is followed by its event', async () => {
    await using stage = await startStage();
    stage.tsuru.faults.add({ kind: 'cut', path: `/apps/${APP}/deploy` });
    await expect(stage.add(), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    await until('the log', () => stage.lines.some((line) => line.includes(`${APP} is deployed`)));
  });
});

describe('many deploys at once', () => {
  it('delay no other request', async () => {
    await using stage = await startStage();
    await expect(stage.add(), 201);
    await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
    stage.tsuru.delays.startingMs = 600_000;
    const begun = performance.now();
    const names = Array.from({ length: 8 }, (_, index) => `more${index}`);
    await Promise.all(names.map((name) => expect(stage.add(name), 201)));
    assert.equal((await stage.ask('GET', '/resources/my-instance/status')).status, 204);
    assert.ok(performance.now() - begun < 10_000, 'a call waited for the deploys');
    stage.tsuru.delays.startingMs = 0;
  });
});

describe('a broker that stops', () => {
  it('undoes what it was creating, and says so', async () => {
    const clock = { ...systemClock, sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / 20, signal) };
    await using stage = await startStage({ clock, reconciles: false });
    const body = 'event locked: team(shop) running "team.token.create" start by user a at 2026-11-23T04:16:49Z\n';
    stage.tsuru.faults.add({ kind: 'status', status: 500, body, method: 'POST', path: '/tokens' });
    const adding = stage.add();
    await until('the token to be asked for', () => stage.tsuru.requests.count('POST', '/1.6/tokens') > 1);
    assert.deepEqual(await partsOf(stage), ['app', 'volume']);
    const stopped = stage.broker.stop();
    assert.match((await adding).body, /The service is being restarted: try again in a minute\./);
    await stopped;
    assert.deepEqual(await partsOf(stage), []);
  });

  it('answers every waiting request before it ends', async () => {
    // Its patience of 20 s passes in moments.
    const clock = { ...systemClock, sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / 20, signal) };
    await using stage = await startStage({ clock });
    await stage.createApp('my-app');
    await expect(stage.add(), 201);
    const path = '/roles/prometheus-reader/token';
    const body =
      'event locked: role(prometheus-reader) running "role.update.assign" start by user a at 2026-11-23T04:16:49Z\n';
    stage.tsuru.faults.add({ kind: 'status', status: 500, body, method: 'POST', path });
    stage.tsuru.requests.clear();
    const form = { body: 'app-name=my-app', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const asked = ['my-app', 'my-app'].map(() => stage.ask('POST', '/resources/my-instance/bind-app', form));
    await until('the bind to wait', () => stage.tsuru.requests.count('POST', /\/token$/) > 1);
    const stopped = stage.broker.stop();
    for (const answer of await Promise.all(asked)) {
      assert.equal(answer.status, 503);
      assert.match(answer.body, /^The service is being restarted: try again in a minute\. \(request [\w-]+\)$/);
    }
    await stopped;
  });
});

describe('two brokers', () => {
  it('create the same instance at once, and it is there once', async () => {
    await using stage = await startStage();
    const other = await stage.startBroker();
    const form = {
      body: 'name=my-instance&team=shop',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    };
    const answers = await Promise.all(
      [stage.broker.url, other.url].map((url) => askBroker(url, 'POST', '/resources', form)),
    );
    assert.ok(
      answers.some(({ status }) => status === 201),
      JSON.stringify(answers.map(({ body }) => body)),
    );
    await until('the instance to be up', async () => {
      return (await stage.ask('GET', '/resources/my-instance/status')).status === 204;
    });
    assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
  });

  it('create the same instance at once, and the one that fails undoes nothing that the other uses', async () => {
    await using stage = await startStage();
    const other = await stage.startBroker();
    const form = {
      body: 'name=my-instance&team=shop',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    };
    const { faults, requests } = stage.tsuru;
    faults.add({ kind: 'latency', ms: 3_000, method: 'POST', path: '/tokens', times: 1 });
    faults.add({ kind: 'status', status: 500, method: 'POST', path: '/tokens', times: 1 });
    const failing = stage.ask('POST', '/resources', form);
    await until('the first to ask for the token', () => requests.count('POST', '/1.6/tokens') === 1);
    await expect(askBroker(other.url, 'POST', '/resources', form), 201);
    assert.match((await failing).body, /Left for the next try, which uses it/);
    await until('the instance to be up', async () => {
      return (await stage.ask('GET', '/resources/my-instance/status')).status === 204;
    });
    for (const path of [`/1.0/apps/${APP}`, `/1.4/volumes/${APP}`, `/1.7/tokens/${APP}`]) {
      assert.equal((await stage.admin.call('GET', path)).status, 200, path);
    }
  });
});
