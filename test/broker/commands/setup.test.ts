import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { brokerPermissions } from '../../../broker/tsuru/permissions.ts';
import { expect } from '../../support/instance.ts';
import { until } from '../../support/until.ts';
import { createClient, type Client } from '../../tsuru/client.ts';
import type { Images } from '../../tsuru/images.ts';
import { startTsuru, type LocalTsuru } from '../../tsuru/server.ts';
import { runBroker, type Run } from './run.ts';

const MAIN = fileURLToPath(new URL('../../../broker/main.ts', import.meta.url));
const BROKER_IMAGE = 'ops/prometheus-broker:1';
/** There is no router here: Tsuru reaches the broker at its unit, and the broker its instances at theirs. */
const ARGS = [
  ...['setup', '--team', 'monitoring', '--broker-image', BROKER_IMAGE, '--image', 'ops/prometheus:1'],
  ...['--endpoint', 'http://{unit}', '--env', 'BROKER_INSTANCE_URL=http://{unit}'],
];
const MADE = [
  'made       the team monitoring',
  'made       the role prometheus-reader with app.read.info',
  `made       the role prometheus-broker with ${brokerPermissions().join(', ')}`,
  'made       the token prometheus-broker',
  /^made {7}the app prometheus-broker with BROKER_USERNAME, .*TSURU_TOKEN, BROKER_PASSWORD, BROKER_EVENTS_TOKEN$/,
  'made       the deploy of ops/prometheus-broker:1',
  /^made {7}the service prometheus at http:\/\/127\.\d+\.\d+\.\d+:8888$/,
  'made       the webhook prometheus',
  'was there  the plans large, medium, small, as Tsuru has them from the broker',
];

/** The image of the broker runs a real one, any other listens nowhere. */
const images: Images = (name) => {
  if (name !== BROKER_IMAGE) return { processes: { web: 'nothing' } };
  const start = `BROKER_ADDRESS=$TSURU_LOCAL_ADDRESS exec '${process.execPath}' '${MAIN}'`;
  return { exposes: 8888, healthcheck: { path: '/readyz' }, processes: { web: { argv: ['/bin/sh', '-c', start] } } };
};

interface Scene extends AsyncDisposable {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  setUp(...more: readonly string[]): Promise<Run>;
  /** Everything that nobody may see printed. */
  secrets(): Promise<readonly string[]>;
}

async function startScene(): Promise<Scene> {
  const tsuru = await startTsuru({ images });
  const admin = createClient(tsuru.url, tsuru.adminToken);
  return {
    tsuru,
    admin,
    setUp: (...more) => runBroker([...ARGS, ...more], { TSURU_TARGET: tsuru.url, TSURU_TOKEN: tsuru.adminToken }),
    async secrets() {
      const { body } = await admin.call('GET', '/1.0/apps/prometheus-broker/env');
      const variables = JSON.parse(body) as { name: string; value: string }[];
      const secret = variables.filter(({ name }) => /TOKEN|PASSWORD/.test(name)).map(({ value }) => value);
      return [tsuru.adminToken, ...secret];
    },
    [Symbol.asyncDispose]: () => tsuru.close(),
  };
}

function linesOf({ out }: Run): readonly string[] {
  return out.slice(0, out.indexOf('\n\n')).split('\n');
}

function assertLines(lines: readonly string[], expected: readonly (string | RegExp)[]): void {
  assert.equal(lines.length, expected.length, lines.join('\n'));
  for (const [index, line] of lines.entries()) {
    const wanted = expected[index] ?? '';
    if (typeof wanted === 'string') assert.equal(line, wanted);
    else assert.match(line, wanted);
  }
}

describe('the set-up', { concurrency: 2 }, () => {
  it('makes all of the service where there is nothing, so that a user adds an instance and the check finds nothing', async () => {
    await using scene = await startScene();
    const { tsuru, admin } = scene;
    const run = await scene.setUp();
    assert.equal(run.exitCode, 0, run.out + run.err);
    assertLines(linesOf(run), MADE);
    assert.match(run.out, /\nThe service is ready\. Next: tsuru service-instance-add prometheus my-instance -t TEAM; /);
    for (const secret of await scene.secrets()) assert.ok(!(run.out + run.err).includes(secret));
    const form = { name: 'my-instance', owner: 'shop' };
    await expect(admin.call('POST', '/1.0/services/prometheus/instances', { form }), 201);
    await until('the deploy', () => tsuru.units('prometheus-my-instance').length === 1);
    const { body } = await admin.call('GET', '/1.0/apps/prometheus-broker/env');
    const variables = JSON.parse(body) as { name: string; value: string }[];
    const env = Object.fromEntries(variables.map(({ name, value }) => [name, value]));
    const check = await runBroker(['check', '--app', 'prometheus-broker'], { TSURU_HOST: tsuru.url, ...env });
    assert.deepEqual([check.exitCode, check.out.match(/^PROBLEM.*/gm)], [0, null]);
  });

  it('changes nothing when it is run again', async () => {
    await using scene = await startScene();
    await scene.setUp();
    scene.tsuru.requests.clear();
    const run = await scene.setUp();
    assert.equal(run.exitCode, 0);
    for (const line of linesOf(run)) assert.match(line, /^was there {2}the /);
    const changes = scene.tsuru.requests.all().filter(({ method }) => method !== 'GET');
    // Tsuru does not show a service's endpoint and password, so they are set again.
    assert.deepEqual(
      changes.filter(({ path }) => path.startsWith('/1.')).map(({ method, path }) => `${method} ${path}`),
      ['PUT /1.0/services/prometheus'],
    );
  });

  for (const [what, method, path] of [
    ['role', 'POST', '/roles'],
    ['token', 'POST', '/tokens'],
    ['app', 'POST', '/apps'],
    ['variables', 'POST', '/apps/prometheus-broker/env'],
    ['deploy', 'POST', '/apps/prometheus-broker/deploy'],
    ['service', 'POST', '/services'],
    ['webhook', 'POST', '/events/webhooks'],
  ] as const) {
    it(`says where it stopped when Tsuru fails at the ${what}, and continues there`, async () => {
      await using scene = await startScene();
      scene.tsuru.faults.add({ kind: 'status', status: 500, body: 'no luck', method, path, times: 1 });
      const failed = await scene.setUp();
      assert.equal(failed.exitCode, 1);
      assert.match(failed.out, /\nFAILED {5}the .+: .*no luck/);
      assert.match(failed.out, /Run the same command again once this is mended: it continues here\.\n$/);
      const run = await scene.setUp();
      assert.equal(run.exitCode, 0, run.out);
      const all = [...linesOf(failed).filter((line) => line.startsWith('made')), ...linesOf(run)];
      for (const part of ['team', 'token', 'app', 'service', 'webhook'])
        assert.ok(
          all.some((line) => new RegExp(`^(made|changed) +the ${part} `).test(line)),
          `${part}:\n${all.join('\n')}`,
        );
    });
  }

  it('brings an earlier installation to this version, and keeps its password', async () => {
    await using scene = await startScene();
    const { admin } = scene;
    await scene.setUp();
    const before = await scene.secrets();
    await admin.call('DELETE', '/1.6/events/webhooks/prometheus');
    await admin.call('DELETE', '/1.0/apps/prometheus-broker/env?env=BROKER_EVENTS_TOKEN&noRestart=true');
    const run = await scene.setUp();
    assert.equal(run.exitCode, 0, run.out);
    assertLines(
      linesOf(run).filter((line) => !line.startsWith('was there')),
      [
        'changed    the app prometheus-broker with BROKER_EVENTS_TOKEN',
        'changed    the deploy of ops/prometheus-broker:1',
        'made       the webhook prometheus',
      ],
    );
    const kept = (await scene.secrets()).filter((secret) => before.includes(secret));
    assert.equal(kept.length, before.length - 1);
  });

  it('refuses what it cannot use before it asks Tsuru for anything', async () => {
    const env = { TSURU_TARGET: 'http://127.0.0.1:1', TSURU_TOKEN: 'x' };
    for (const [args, problem] of [
      [['setup'], /^--team and --broker-image and --image must be given\. See "npm run broker -- setup --help"\.\n$/],
      [[...ARGS, '--team', 'No Team'], /^--team No Team cannot be the name of a team in Tsuru\./],
      [[...ARGS, '--env', 'BROKER_POL=x'], /^BROKER_POL is not known, did you mean "BROKER_POOL"\?/],
      [[...ARGS, '--env', 'TSURU_TOKEN=x'], /^--env TSURU_TOKEN cannot be given: setup makes it itself\./],
      [[...ARGS, '--plans', '/nosuch/plans.yaml'], /^--plans \/nosuch\/plans\.yaml cannot be read/],
      [[...ARGS, '--endpoint', 'broker'], /^--endpoint broker must be an address/],
    ] as const) {
      const { exitCode, err } = await runBroker(args, env);
      assert.equal(exitCode, 2);
      assert.match(err, problem);
    }
    const { exitCode, err } = await runBroker(ARGS, {});
    assert.equal(exitCode, 2);
    assert.match(err, /^TSURU_TARGET must be Tsuru's address.+\nTSURU_TOKEN must be the token of an administrator/);
  });

  it('says what to do where the token may not make what is missing, or is wrong', async () => {
    await using scene = await startScene();
    const target = { TSURU_TARGET: scene.tsuru.url };
    const wrong = await runBroker(ARGS, { ...target, TSURU_TOKEN: 'not-a-token' });
    assert.match(
      wrong.out,
      /^FAILED {5}the team monitoring: Tsuru rejects TSURU_TOKEN: set it to what "tsuru token-show" prints$/m,
    );
    const form = { token_id: 'nobody', team: 'ops', expires_in: '0' };
    const { body } = await scene.admin.call('POST', '/1.6/tokens', { form });
    const nobody = (JSON.parse(body) as { token: string }).token;
    const refused = await runBroker(ARGS, { ...target, TSURU_TOKEN: nobody });
    assert.match(refused.out, /^FAILED .+: set TSURU_TOKEN to the token of an administrator who may do this$/m);
  });

  it('prints the commands and the manifest that do the same, without asking anybody', async () => {
    const { exitCode, out } = await runBroker([...ARGS, '--print']);
    assert.equal(exitCode, 0);
    for (const command of [
      'team-create monitoring',
      'role-add prometheus-broker global',
      'service-create manifest.yaml',
    ])
      assert.ok(out.includes(`tsuru ${command}`), command);
    assert.ok(out.includes(`role-permission-add prometheus-broker ${brokerPermissions().join(' ')}\n`));
    assert.match(
      out,
      /BROKER_IMAGE=ops\/prometheus:1 BROKER_SERVICE=prometheus BROKER_INSTANCE_URL='http:\/\/\{unit\}'\n/,
    );
  });
});
