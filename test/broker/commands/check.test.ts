import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import type { TsuruWriter } from '../../../agent/shared/tsuru.ts';
import { checkPermissions } from '../../../broker/commands/check/permissions.ts';
import { webhookOf } from '../../../broker/tsuru/webhook.ts';
import { OPTIONAL_CALLS, PERMISSIONS } from '../../../broker/tsuru/permissions.ts';
import { handOn, makeAuthority } from '../../support/authority.ts';
import { freeAddress } from '../../support/address.ts';
import { expect } from '../../support/instance.ts';
import { APP, AUTH, environmentOf, startStage, type Stage } from '../stage.ts';
import { runBroker, type Run } from './run.ts';

const EVENTS_TOKEN = 'a-token-of-the-webhook';
/** What an administrator sets who wants no problem to be found. */
const WHOLE = { BROKER_EVENTS_TOKEN: EVENTS_TOKEN };

/** Makes the webhook as `setup` does, but for what is changed. */
async function addWebhook(stage: Stage, change: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const hook = webhookOf({ name: 'prometheus', team: 'ops', brokerUrl: stage.broker.url, token: EVENTS_TOKEN });
  await expect(stage.admin.call('POST', '/1.6/events/webhooks', { json: { ...hook, ...change } }), 200);
}

/** What an administrator reads who types `broker check`. */
async function check(stage: Stage, env: Readonly<Record<string, string>> = {}): Promise<CheckRun> {
  const run = await runBroker(['check'], { ...environmentOf(stage.tsuru.url, stage.brokerToken), ...env });
  const problems = run.out
    .split('\n')
    .filter((line) => line.startsWith('PROBLEM'))
    .map((line) => line.slice(9));
  return { ...run, problems };
}

interface CheckRun extends Run {
  readonly problems: readonly string[];
}

/** The problems that the check finds where Tsuru lists these permissions of the token. */
async function problemsWith(permissions: readonly { name: string; context: string }[]): Promise<readonly string[]> {
  const list = permissions.map(({ name, context }) => ({ Name: name, ContextType: context, ContextValue: 'shop' }));
  const tsuru: TsuruWriter = {
    get: () =>
      Promise.resolve({ status: 200, requestId: '', chunks: [Buffer.from(JSON.stringify({ Permissions: list }))] }),
    send: () => Promise.reject(new Error('a check changes nothing')),
    quote: (words) => words,
    close: () => Promise.resolve(),
  };
  const context = { tsuru, plans: [], service: 'prometheus', pool: '', image: '' };
  const options = { context, eventsToken: undefined, auth: AUTH, brokerApp: '' };
  const findings = await checkPermissions(options, AbortSignal.timeout(10_000));
  return findings.filter(({ kind }) => kind === 'problem').map(({ text }) => text);
}

const NEEDED = [
  ...new Set(Object.entries(PERMISSIONS).flatMap(([call, needed]) => (OPTIONAL_CALLS.includes(call) ? [] : needed))),
].sort();

describe('the check of an installation', () => {
  it('finds nothing wrong with one that works, as text and as JSON', async () => {
    await using stage = await startStage();
    await addWebhook(stage);
    await expect(stage.add(), 201);
    const { exitCode, out, problems } = await check(stage, WHOLE);
    assert.deepEqual(problems, []);
    assert.match(out, /\nNo problem was found\. 2 things could not be looked at\.\n$/);
    assert.equal(exitCode, 0);
    const env = { ...environmentOf(stage.tsuru.url, stage.brokerToken), ...WHOLE };
    const json = await runBroker(['check', '--json'], env);
    const findings = JSON.parse(json.out) as { kind: string }[];
    assert.ok(findings.length >= 8 && findings.every(({ kind }) => kind !== 'problem'));
    assert.match(json.err, /^1\/9 the broker's permissions\n/);
  });

  for (const missing of NEEDED) {
    it(`names ${missing} where the token lacks it, with the calls that need it and the command that grants it`, async () => {
      const rest = NEEDED.filter((one) => one !== missing && !missing.startsWith(`${one}.`));
      const problems = await problemsWith(rest.map((name) => ({ name, context: 'global' })));
      const named = problems.find((text) => text.startsWith(`The token of the broker lacks ${missing} (needed for `));
      assert.ok(named?.endsWith(`run "tsuru role-permission-add prometheus-broker ${missing}".`), problems.join('\n'));
    });
  }

  it('takes a permission for those below it, and names one that is held for a team alone', async () => {
    assert.deepEqual(await problemsWith([{ name: '', context: 'global' }]), []);
    const problems = await problemsWith([
      { name: '', context: 'global' },
      { name: 'app', context: 'team' },
    ]);
    assert.deepEqual(problems, []);
    const narrow = await problemsWith([{ name: 'app', context: 'team' }]);
    assert.ok(
      narrow.some((text) =>
        text.startsWith(
          'The token of the broker has app.create only for the team shop (needed for app_create): grant it by a role whose context is global.',
        ),
      ),
    );
  });

  it('says what is wrong with token, address, plans and service, each with its remedy', async () => {
    await using stage = await startStage();
    const wrong = await check(stage, { TSURU_TOKEN: 'not-a-token-of-tsuru' });
    assert.deepEqual(wrong.problems, [
      'Failed to check the broker\'s permissions: Tsuru rejects the token of the broker: create one with "tsuru token-create" and set it as TSURU_TOKEN.',
    ]);
    const away = await check(stage, { TSURU_HOST: `http://${freeAddress()}:1` });
    assert.equal(away.problems.length, 1);
    assert.match(away.problems[0] ?? '', /check TSURU_HOST, and that this machine reaches it\.$/);
    await using authority = await makeAuthority();
    const secure = await authority.serve(handOn(stage.tsuru.url));
    const { problems: untrusted } = await check(stage, { TSURU_HOST: secure });
    assert.match(untrusted.join('\n'), /^Failed to check .+: set CA_CERTIFICATES to the certificate of its CA\.$/);
    const pool = await check(stage, { BROKER_POOL: 'nosuch' });
    assert.match(pool.problems.join(), /There is no pool nosuch: name one of "tsuru pool-list"/);
    const service = await check(stage, { BROKER_SERVICE: 'nosuch' });
    assert.match(service.problems.join(), /Tsuru has no service nosuch: create it with "broker setup"/);
    for (const { out, err } of [wrong, away, pool, service]) assert.ok(!(out + err).includes(stage.brokerToken));
  });

  it('names plans that the pool of the instances does not allow', async () => {
    const pools = [
      {
        ...{ name: 'dev', isDefault: true, isPublic: true, provisioner: 'kubernetes' },
        allowed: { plan: ['c0.5m1', 'c1m4'], 'volume-plan': ['disk'] },
      },
    ];
    await using stage = await startStage({ tsuru: { pools } });
    await addWebhook(stage);
    const { problems } = await check(stage, WHOLE);
    assert.equal(problems.length, 4, problems.join('\n'));
    assert.ok(
      problems.includes(
        'The plan large of the service needs the plan c4m16, which the pool dev does not allow: ' +
          'allow it with "tsuru pool-constraint-set dev plan c4m16 --append", or name another pool.',
      ),
    );
    assert.match(
      problems.join('\n'),
      /^The plan small of the service needs the volume plan tmpfs, which the pool dev does not allow/m,
    );
  });

  it('says when the manifest has another password than the broker, and when its brokers offer other plans', async () => {
    await using stage = await startStage();
    await addWebhook(stage);
    stage.tsuru.addService({ name: 'prometheus', endpoint: stage.broker.url, ...AUTH, password: 'another-password' });
    const { problems } = await check(stage, WHOLE);
    assert.deepEqual(problems, [
      'Tsuru gets no plans of prometheus from its broker: the service\'s manifest has another user or password than the broker, or something else answers at its endpoint. Run "broker setup" again, or "tsuru service-update".',
    ]);
    stage.tsuru.addService({ name: 'prometheus', endpoint: stage.broker.url, ...AUTH });
    const plans =
      'plans:\n  - { name: one, default: true, tsuru_plan: c0.5m1, memory: 1GB, settings: { retention: 1d }, storage: { kind: tmpfs, volume_plan: tmpfs, size: 200MB } }';
    const other = await check(stage, { ...WHOLE, BROKER_PLANS: plans });
    assert.match(
      other.problems.join(),
      /^The broker that Tsuru reaches offers other plans \(.*small.*\) than this configuration \(one\)/,
    );
  });

  it('says when Tsuru does not get the plans from the broker', async () => {
    await using stage = await startStage();
    await addWebhook(stage);
    await stage.broker.stop();
    const { problems } = await check(stage, WHOLE);
    assert.equal(problems.length, 1);
    assert.match(
      problems[0] ?? '',
      /^Tsuru does not get the plans of prometheus from its broker \(.+\): check the endpoint/,
    );
  });

  it('says what is wrong with the webhook, and the command that makes it', async () => {
    await using stage = await startStage();
    const webhookProblems = async (env: Readonly<Record<string, string>> = WHOLE): Promise<string> =>
      (await check(stage, env)).problems.join('\n');
    assert.match(
      await webhookProblems({}),
      /^BROKER_EVENTS_TOKEN is not set, so changes of apps arrive .+"broker setup"/,
    );
    assert.match(await webhookProblems(), /^Tsuru has no webhook with the token of BROKER_EVENTS_TOKEN/);
    await addWebhook(stage);
    assert.equal(await webhookProblems(), '');
    await addWebhook(stage, { name: 'second' });
    assert.match(await webhookProblems(), /^Tsuru has 2 webhooks for this broker \(prometheus, second\)/);
    await stage.admin.call('DELETE', '/1.6/events/webhooks/second');
    await stage.admin.call('DELETE', '/1.6/events/webhooks/prometheus');
    await addWebhook(stage, { headers: { Authorization: ['Bearer another'] } });
    assert.match(await webhookProblems(), /^The webhook prometheus sends another token than BROKER_EVENTS_TOKEN/);
    await stage.admin.call('DELETE', '/1.6/events/webhooks/prometheus');
    const filter = { target_types: ['app'], kind_names: ['app.deploy'] };
    await addWebhook(stage, { url: 'http://elsewhere.example.com/', body: '', event_filter: filter });
    const problems = await webhookProblems();
    assert.match(problems, /calls another place than \/events of a broker/);
    assert.match(problems, /leaves out events of apps \(app\.update, app\.create, app\.delete\)/);
    assert.match(problems, /has another body than the broker reads/);
    assert.ok(!problems.includes(EVENTS_TOKEN));
  });

  it('names instances that are not as their plan says, each with the command that brings them there', async () => {
    await using stage = await startStage({ reconciles: false });
    await addWebhook(stage);
    await expect(stage.add(), 201);
    await expect(stage.add('second'), 201);
    await stage.admin.call('PUT', `/1.0/apps/${APP}`, { json: { plan: 'c1m4', noRestart: true } });
    await stage.admin.call('DELETE', '/1.0/apps/prometheus-second');
    const { problems } = await check(stage, WHOLE);
    assert.deepEqual(problems, [
      'The instance my-instance runs on the plan c1m4 of Tsuru, and its plan small says c0.5m1: run "tsuru service-instance-update prometheus my-instance", which restarts it.',
      'The instance second has no app prometheus-second: run "tsuru service-instance-remove prometheus second" and add it again.',
    ]);
  });

  it('compares the brokers of an app with its own version', async () => {
    await using stage = await startStage();
    await addWebhook(stage);
    const { out } = await check(stage, { ...WHOLE, TSURU_APPNAME: 'nosuch' });
    assert.match(out, /PROBLEM +There is no app nosuch: name the app of the broker with --app\./);
    stage.say(() => ({ status: 200, body: 'tsuru_broker_info{version="0.0.1"} 1\n' }));
    await stage.createApp('brokers', 'ops/prometheus-broker:1');
    const { problems } = await check(stage, { ...WHOLE, TSURU_APPNAME: 'brokers' });
    assert.match(
      problems.join(),
      /^1 broker of 1 run another version than \d.+\(brokers-.+: 0\.0\.1\): deploy brokers again/,
    );
  });

  it('asks the registry that the image names, and calls an image unknown that it is not told of', async () => {
    await using stage = await startStage();
    await addWebhook(stage);
    await using registry = await startRegistry();
    const image = async (name: string): Promise<string> => {
      const { out } = await check(stage, { ...WHOLE, BROKER_IMAGE: `${registry.host}/${name}` });
      return out.split('\n').find((line) => line.includes(name)) ?? '';
    };
    assert.match(await image('team/prometheus:1'), /^ok {7}/);
    assert.match(await image('team/prometheus:2'), /^PROBLEM .*push it, or set BROKER_IMAGE/);
    assert.match(await image('private/prometheus:1'), /^unknown .*answers 401 without a login/);
    const { out } = await check(stage, WHOLE);
    assert.match(out, /unknown {2}The image shop\/prometheus:1 was not looked up, as its name has no registry/);
  });
});

/** As a registry answers a question for a manifest. */
async function startRegistry(): Promise<AsyncDisposable & { readonly host: string }> {
  const server = createServer(({ url }, response) => {
    const status = url === '/v2/team/prometheus/manifests/1' ? 200 : url?.includes('private') === true ? 401 : 404;
    response.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
