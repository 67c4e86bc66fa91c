import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../agent/shared/clock.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { APP, startStage } from './stage.ts';

const SPEED = 100;
/** Minutes pass in moments. */
const hasty = {
  ...systemClock,
  nowMs: () => systemClock.nowMs() * SPEED,
  sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / SPEED, signal),
};

/** What Tsuru answers at a step of a creation, and what the user then reads. */
const TABLE: readonly (readonly [method: string, path: string, status: number, body: string, wanted: RegExp])[] = [
  [
    'POST',
    '/apps',
    403,
    'Quota exceeded. Available: 0, Requested: 1.\n',
    /The team shop has as many apps as its quota allows/,
  ],
  [
    'POST',
    '/apps',
    400,
    'App team owner "shop" has no access to pool "dev"\n',
    /The team shop may not use .*pool.*--plan-param pool=NAME/,
  ],
  [
    'POST',
    '/apps',
    400,
    'App plan "c0.5m1" is not allowed on pool "dev"\n',
    /The plan small is Tsuru's c0\.5m1, which is not allowed/,
  ],
  [
    'POST',
    '/apps',
    500,
    'plan not found\n',
    /which does not exist: an administrator has to correct the service's plans/,
  ],
  ['POST', '/apps', 500, 'Pool does not exist.\n', /There is no pool/],
  ['POST', '/apps', 500, 'no router found for pool\n', /No router is allowed/],
  ['POST', '/apps', 500, 'No default router found\n', /No router is allowed/],
  [
    'POST',
    '/apps',
    500,
    'you have access to "one","two" pools. Please choose one in app creation\n',
    /The team shop has several pools: choose one with --plan-param pool=NAME \(one,two\)\./,
  ],
  [
    'POST',
    '/apps',
    500,
    'event throttled, limit for app.create on app is 5 every 1m0s\n',
    /had too many changes of this kind in a short time: try again in some minutes/,
  ],
  [
    'POST',
    '/volumes',
    500,
    'capacity is mandatory either in plan or as volume opts\n',
    /The volume plan tmpfs says no capacity: an administrator has to add it/,
  ],
  [
    'POST',
    '/volumes',
    500,
    'updating a volume already provisioned is not supported, a new volume must be created and the old one deleted if necessary\n',
    /The disk of an earlier prometheus-my-instance is still being removed: try again in a minute/,
  ],
  [
    'POST',
    '/volumes',
    400,
    'volume-plan not present in pool constraint\n',
    /a volume of the plan tmpfs, which is not allowed/,
  ],
  [
    'POST',
    '/apps/prometheus-my-instance/env',
    500,
    'error running "app.update.env.set" on app(prometheus-my-instance): block app.update.env.set by all users on all targets: maintenance until 5\n',
    /An administrator has blocked this for the time being \(maintenance until 5\): try again later/,
  ],
  [
    'POST',
    '/tokens',
    401,
    'You must provide a valid Authorization header\n',
    /did not accept the service's own token.*tell an administrator/,
  ],
  [
    'POST',
    '/tokens',
    403,
    "You don't have permission to do this action\n",
    /^The service's own token lacks the permission team\.token\.create for the call token_create, without which it cannot make the instance: tell an administrator\. \(request/,
  ],
  [
    'POST',
    '/volumes/prometheus-my-instance/bind',
    403,
    "You don't have permission to do this action\n",
    /lacks the permission volume\.update\.bind or app\.update\.bind-volume for the call volume_bind/,
  ],
  // Words that look like another refusal.
  [
    'POST',
    '/apps',
    500,
    'pod failed: cannot attach block device: timed out waiting for the volume\n',
    /^Tsuru failed to make the instance: try again/,
  ],
  [
    'POST',
    '/apps',
    500,
    'failed to resolve host k8s.example.com: no such host\n',
    /^Tsuru failed to make the instance/,
  ],
];

describe('a refusal of Tsuru’s becomes one sentence that says what to do:', () => {
  for (const [method, path, status, body, wanted] of TABLE) {
    it(body.trim(), async () => {
      await using stage = await startStage();
      stage.tsuru.faults.add({ kind: 'status', status, body, method, path });
      const answer = await stage.ask('POST', '/resources', {
        body: JSON.stringify({ name: 'my-instance', team: 'shop' }),
        headers: { 'content-type': 'application/json' },
      });
      assert.ok(answer.status >= 400);
      assert.match(answer.body, wanted);
      assert.doesNotMatch(answer.body, /\n|[{}<>]/);
      assert.equal(/\(request [\w-]+\)$/.test(answer.body), answer.status >= 500);
      assert.equal((await stage.admin.call('GET', '/1.0/apps/prometheus-my-instance')).status, 404);
    });
  }

  for (const [locked, told] of [
    [`app(${APP}) running "app.deploy"`, `Another change of the app ${APP}, such as a deploy, is still under way`],
    ['team(shop) running "team.token.create"', 'Another change of the team shop is still under way'],
    ['role(prometheus-reader) running "role.update.assign"', 'Another change of the role prometheus-reader is still'],
  ] as const) {
    it(`a lock that lasts longer than the limit: ${locked}`, async () => {
      await using stage = await startStage({ clock: hasty });
      await stage.createApp('my-app');
      await expect(stage.add(), 201);
      const body = `event locked: ${locked} start by user a@b.c at 2026-11-23T04:16:49Z\n`;
      for (const method of ['POST', 'PUT', 'DELETE']) {
        stage.tsuru.faults.add({ kind: 'status', status: 500, body, method });
      }
      for (const [method, path, form] of [
        ['POST', '/resources', 'name=other&team=shop'],
        ['POST', '/resources/my-instance/bind-app', 'app-name=my-app'],
        ['PUT', '/resources/my-instance', 'team=shop&parameters.retention=3d'],
        ['DELETE', '/resources/my-instance', 'user=a%40b.c'],
      ] as const) {
        const headers = { 'content-type': 'application/x-www-form-urlencoded' };
        const answer = await stage.ask(method, path, { body: form, headers });
        assert.ok(answer.status >= 500, method);
        assert.ok(answer.body.startsWith(told), answer.body);
        assert.match(answer.body, /: try again in a minute\. .*\(request [\w-]+\)$/);
      }
    });
  }

  for (const [error, told] of [
    [
      'mongo is away',
      /^Tsuru failed to make the instance: try again, and tell an administrator if it fails again\. \(request/,
    ],
    [
      'timeout waiting full rollout after 2m0s waiting for units: Pod "x-1" is starting',
      /^The new unit of prometheus-my-instance was not ready in time: see "tsuru app-log -a prometheus-my-instance"\. \(request/,
    ],
  ] as const) {
    it(`an error inside a stream that begins well: ${error}`, async () => {
      await using stage = await startStage();
      stage.tsuru.faults.add({
        ...{ kind: 'body', body: `{"Message":"---- Setting"}\n${JSON.stringify({ Error: error })}\n` },
        ...{ method: 'POST', path: '/apps/prometheus-my-instance/env' },
      });
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const { status, body } = await stage.ask('POST', '/resources', { body: 'name=my-instance&team=shop', headers });
      assert.equal(status, 500);
      assert.match(body, told);
    });
  }

  it('is in the log with Tsuru’s own words in one line, without the token, and the id under which Tsuru has logged it', async () => {
    await using stage = await startStage();
    const error = `mongo is away\nfor ${stage.brokerToken} ${'x'.repeat(1_000)}`;
    stage.tsuru.faults.add({
      ...{ kind: 'body', body: `${JSON.stringify({ Error: error })}\n` },
      ...{ method: 'POST', path: '/apps/prometheus-my-instance/env' },
    });
    const { body } = await stage.add();
    assert.doesNotMatch(body, /mongo/);
    const line = stage.lines.find((one) => one.includes('POST /resources 500')) ?? '';
    assert.match(line, /mongo is away for <secret> x{200,298}…"/);
    assert.match(line, /"tsuruRequest":"[\w-]{36}"/);
    assert.ok(!stage.lines.some((one) => one.includes(stage.brokerToken)));
  });

  it('is in the log with Tsuru’s own words, also when it is the user’s to mend', async () => {
    await using stage = await startStage();
    const body = 'Quota exceeded. Available: 0, Requested: 1.\n';
    stage.tsuru.faults.add({ kind: 'status', status: 403, body, method: 'POST', path: '/apps' });
    await stage.add();
    const line = stage.lines.find((one) => one.includes('POST /resources 403')) ?? '';
    assert.match(line, /Tsuru answered 403: Quota exceeded\. Available: 0/);
  });

  for (const [what, method, path, pattern] of [
    ['token', 'GET', `/tokens/${APP}`, /"token":"([^"]+)"/],
    ['environment', 'GET', `/apps/${APP}/env`, /"name":"GATEWAY_PASSWORD","value":"([^"]+)"/],
  ] as const) {
    it(`an invalid answer, which is not quoted where it may hold a secret: the ${what}`, async () => {
      await using stage = await startStage();
      await stage.createApp('my-app');
      await expect(stage.add('my-instance', { 'parameters.bind_env': 'true' }), 201);
      await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
      const version = what === 'token' ? '1.7' : '1.0';
      const secret = pattern.exec((await stage.admin.call('GET', `/${version}${path}`)).body)?.[1] ?? '';
      assert.ok(secret.length > 10);
      for (const body of [`${secret} {`, JSON.stringify(secret)]) {
        const mend = stage.tsuru.faults.add({ kind: 'body', body, method, path });
        const headers = { 'content-type': 'application/x-www-form-urlencoded' };
        const answer = await stage.ask('POST', '/resources/my-instance/bind-app', { body: 'app-name=my-app', headers });
        assert.equal(answer.status, 500);
        assert.match(answer.body, /Tsuru's answer was invalid/);
        mend();
      }
      assert.ok(stage.lines.some((line) => line.includes('answer cannot be used')));
      for (const line of stage.lines) assert.ok(!line.includes(secret.slice(0, 10)), line);
    });
  }

  it('the role of instances, when it is missing and may not be made', async () => {
    await using stage = await startStage();
    const path = '/roles/prometheus-reader/token';
    stage.tsuru.faults.add({ kind: 'status', status: 404, body: 'role not found\n', method: 'POST', path });
    const { body } = await stage.add();
    assert.match(
      body,
      /The role prometheus-reader is not there.+an administrator has to run "tsuru role-add prometheus-reader app"/,
    );
  });
});
