import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import type { Reply } from '../tsuru/client.ts';
import { until } from '../support/until.ts';
import { watchOverlaps, type Overlaps } from './overlaps.ts';
import { APP, askBroker, grantsOf, startStage, type Stage, type StageOptions } from './stage.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const APPS = ['app-1', 'app-2', 'app-3', 'app-4'];
/** Long enough that requests which do not wait for each other meet. */
const SLOW_MS = 100;

/** Grants of the role, to whichever token. */
const GRANTS = /^(POST|DELETE) \S+\/roles\/prometheus-reader\/token/;
/** Everything that writes a token; a grant rewrites it whole. */
const TOKEN_CHANGES =
  /^(POST|DELETE) \S+\/roles\/prometheus-reader\/token|^(PUT|DELETE) \S+\/tokens\/|^POST \S+\/tokens$/;
const APP_CHANGES = new RegExp(`^(PUT|DELETE) /1\\.0/apps/${APP}$`);

interface Watched extends AsyncDisposable {
  readonly stage: Stage;
  readonly overlaps: Overlaps;
  /** Asks the broker whose requests are watched. */
  readonly ask: (method: string, path: string, form?: Readonly<Record<string, string>>) => Promise<Reply>;
}

/** A broker whose requests to Tsuru are watched, and apps to bind. */
async function startWatched(options: StageOptions = {}): Promise<Watched> {
  await using stack = new AsyncDisposableStack();
  const stage = stack.use(await startStage(options));
  const overlaps = stack.use(await watchOverlaps(stage.tsuru.url));
  const broker = await stage.startBroker({ TSURU_HOST: overlaps.url });
  await Promise.all(APPS.map((app) => stage.createApp(app)));
  const all = stack.move();
  return {
    ...{ stage, overlaps },
    ask: (method, path, form) =>
      askBroker(broker.url, method, path, form && { body: new URLSearchParams(form).toString(), headers: FORM }),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function addUp({ ask }: Watched, name = 'my-instance'): Promise<void> {
  await expect(ask('POST', '/resources', { name, team: 'shop' }), 201);
  await until('the instance to be up', async () => (await ask('GET', `/resources/${name}/status`)).status === 204);
}

describe('grants by one broker', () => {
  it('to one token are made and taken back one at a time, and none is lost', async () => {
    await using watched = await startWatched();
    const { stage, overlaps, ask } = watched;
    await addUp(watched);
    stage.tsuru.faults.add({ kind: 'latency', ms: SLOW_MS, path: '/roles/prometheus-reader/token*' });
    const path = '/resources/my-instance/bind-app';
    await Promise.all(APPS.map((app) => expect(ask('POST', path, { 'app-name': app }), 201)));
    const own = `prometheus-reader ${APP}`;
    assert.deepEqual((await grantsOf(stage)).sort(), [own, ...APPS.map((app) => `prometheus-reader ${app}`)].sort());
    const [kept = '', ...gone] = APPS;
    await Promise.all([
      ...gone.map((app) => expect(ask('DELETE', path, { 'app-name': app }), 200)),
      expect(ask('POST', path, { 'app-name': kept }), 201),
    ]);
    assert.deepEqual((await grantsOf(stage)).sort(), [own, `prometheus-reader ${kept}`].sort());
    assert.equal(overlaps.asked().filter((asked) => GRANTS.test(asked)).length, 1 + 2 * APPS.length);
    assert.deepEqual(overlaps.overlaps(GRANTS), []);
  });

  it('to different tokens are one at a time, for Tsuru locks the whole role', async () => {
    await using watched = await startWatched();
    const { stage, overlaps, ask } = watched;
    const names = ['one', 'two', 'three'];
    for (const name of names) await addUp(watched, name);
    stage.tsuru.faults.add({ kind: 'latency', ms: SLOW_MS, path: '/roles/prometheus-reader/token*' });
    await Promise.all(
      names.map((name) => expect(ask('POST', `/resources/${name}/bind-app`, { 'app-name': 'app-1' }), 201)),
    );
    assert.equal(overlaps.asked().filter((asked) => GRANTS.test(asked)).length, 2 * names.length);
    assert.deepEqual(overlaps.overlaps(GRANTS), []);
    const metrics = (await ask('GET', '/metrics')).body;
    assert.match(metrics, /^tsuru_broker_grant_retries_total 0$/m, 'no grant has met the lock of another');
    assert.match(metrics, /^tsuru_broker_grants_waiting 0$/m);
  });

  for (const { what, method, path, form, before } of [
    {
      ...{ what: 'removed', method: 'DELETE', path: '/resources/my-instance', form: {} },
      before: `DELETE /1.4/volumes/${APP}`,
    },
    {
      // Tsuru knows no such instance, so that what its token reads is of an earlier life.
      ...{ what: 'made anew', method: 'POST', path: '/resources', form: { name: 'my-instance', team: 'shop' } },
      before: `POST /1.4/volumes/${APP}/bind`,
    },
  ]) {
    it(`never overlap with the token being ${what}, which waits for those before`, async () => {
      await using watched = await startWatched();
      const { stage, overlaps, ask } = watched;
      await addUp(watched);
      stage.tsuru.faults.add({ kind: 'latency', ms: SLOW_MS, path: '/roles/prometheus-reader/token*' });
      const release = overlaps.hold(GRANTS);
      const bound = APPS.map((app) => ask('POST', '/resources/my-instance/bind-app', { 'app-name': app }));
      await until('the grants to wait', async () => {
        const waiting = /^tsuru_broker_grants_waiting (\d+)$/m.exec((await ask('GET', '/metrics')).body);
        return waiting?.[1] === String(APPS.length);
      });
      const earlier = overlaps.asked().length;
      const changing = ask(method, path, form);
      await until('the change to come near the token', () => overlaps.asked().slice(earlier).includes(before));
      release();
      const changed = await changing;
      assert.ok(changed.status < 300, changed.body);
      for (const { status, body } of await Promise.all(bound)) assert.equal(status, 201, body);
      const changes = overlaps.asked().filter((asked) => TOKEN_CHANGES.test(asked));
      const beforeRemoval = changes.slice(0, changes.indexOf(`DELETE /1.6/tokens/${APP}`));
      assert.equal(beforeRemoval.filter((asked) => GRANTS.test(asked)).length, 1 + APPS.length);
      assert.deepEqual(overlaps.overlaps(TOKEN_CHANGES), []);
    });
  }
});

describe('changes of one instance by one broker', () => {
  it('are one at a time when two updates come at once, and the app is as one of them says', async () => {
    await using watched = await startWatched();
    const { stage, overlaps, ask } = watched;
    await addUp(watched);
    stage.tsuru.faults.add({ kind: 'latency', ms: SLOW_MS, method: 'PUT', path: `/apps/${APP}` });
    const update = (retention: string): Promise<Reply> =>
      expect(ask('PUT', '/resources/my-instance', { team: 'shop', 'parameters.retention': retention }), 200);
    await Promise.all([update('3d'), update('4d')]);
    assert.equal(overlaps.asked().filter((asked) => asked === `PUT /1.0/apps/${APP}`).length, 2);
    assert.deepEqual(overlaps.overlaps(APP_CHANGES), []);
    assert.match((await stage.admin.call('GET', `/1.0/apps/${APP}`)).body, /retention\\":\\"[34]d/);
  });

  it('are one at a time when the instance is removed during an update', async () => {
    await using watched = await startWatched();
    const { stage, overlaps, ask } = watched;
    await addUp(watched);
    stage.tsuru.faults.add({ kind: 'latency', ms: SLOW_MS, method: 'PUT', path: `/apps/${APP}` });
    const updated = ask('PUT', '/resources/my-instance', { team: 'shop', plan: 'medium' });
    await until('the update', () => overlaps.asked().includes(`PUT /1.0/apps/${APP}`));
    await expect(ask('DELETE', '/resources/my-instance'), 200);
    await expect(updated, 200);
    assert.deepEqual(
      overlaps.asked().filter((asked) => APP_CHANGES.test(asked)),
      [`PUT /1.0/apps/${APP}`, `DELETE /1.0/apps/${APP}`],
    );
    assert.deepEqual(overlaps.overlaps(APP_CHANGES), []);
    assert.equal((await stage.admin.call('GET', `/1.0/apps/${APP}`)).status, 404);
  });
});
