import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { load } from 'js-yaml';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { createClient, type Client } from '../tsuru/client.ts';
import { APP, AUTH, startStage, type AgentScript, type Stage } from './stage.ts';

const PROXY = '/1.20/services/prometheus/resources/my-instance/grafana';
const FILES = ['datasource.yaml', 'datasource-with-password.yaml', 'dashboards.yaml', 'app.json', 'instance.json'];

/** The files as an agent has them, and its status. */
const agent: AgentScript = ({ path }) => {
  const body: Readonly<Record<string, unknown>> = {
    '/tsuru/status': { ready: true, problems: [], sync: { inSync: true }, apps: [] },
    '/tsuru/grafana/datasource.yaml': { datasources: [{ jsonData: { timeInterval: '30s' } }] },
    '/tsuru/grafana/app.json': { uid: 'tsuru-app' },
    '/tsuru/grafana/instance.json': { uid: 'tsuru-prometheus-instance' },
  };
  const found = body[path];
  return found === undefined ? { status: 404, body: 'none' } : { status: 200, body: JSON.stringify(found) };
};

async function startUp(): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const stage = stack.use(await startStage({ agent }));
  await expect(stage.add(), 201);
  await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
  stack.move();
  return stage;
}

/** A caller with this permission for the instances of a team; none without one. */
async function callerOf({ admin, tsuru }: Stage, id: string, team: string, permission?: string): Promise<Client> {
  const { body } = await expect(
    admin.call('POST', '/1.6/tokens', { form: { token_id: id, team, expires_in: 0 } }),
    201,
  );
  if (permission !== undefined) {
    await expect(admin.call('POST', '/1.0/roles', { form: { name: id, context: 'team', description: '' } }), 201);
    await expect(admin.call('POST', `/1.0/roles/${id}/permissions`, { form: { permission } }), 200);
    await expect(admin.call('POST', `/1.6/roles/${id}/token`, { form: { token_id: id, context: team } }), 200);
  }
  return createClient(tsuru.url, (JSON.parse(body) as { token: string }).token);
}

async function passwordOf(stage: Stage): Promise<string> {
  const { body } = await expect(stage.admin.call('GET', `/1.0/apps/${APP}/env`), 200);
  return (
    (JSON.parse(body) as { name: string; value: string }[]).find(({ name }) => name === 'GATEWAY_PASSWORD')?.value ?? ''
  );
}

interface File {
  readonly datasources: readonly [Readonly<Record<string, unknown>>];
}

describe("an instance's files for Grafana, through Tsuru's proxy", () => {
  it('have the address that users see, the interval in force, and the password only where the name says so', async () => {
    await using stage = await startUp();
    const password = await passwordOf(stage);
    assert.notEqual(password, '');
    const { body } = await expect(stage.admin.call('GET', `${PROXY}/datasource.yaml`), 200);
    assert.ok(!body.includes(password));
    assert.match(body, /"tsuru service-instance-info prometheus my-instance" shows/);
    const [datasource] = (load(body) as File).datasources;
    const { Address: address } = await stage.info();
    assert.deepEqual([datasource['uid'], datasource['url']], [APP, address]);
    assert.deepEqual(datasource['jsonData'], { httpMethod: 'POST', timeInterval: '30s' });
    assert.deepEqual(datasource['secureJsonData'], { basicAuthPassword: '$PROMETHEUS_PASSWORD' });

    const whole = await expect(stage.admin.call('GET', `${PROXY}/datasource-with-password.yaml`), 200);
    const [withPassword] = (load(whole.body) as File).datasources;
    assert.deepEqual(withPassword, { ...datasource, secureJsonData: { basicAuthPassword: password } });
    assert.ok(!stage.lines.some((line) => line.includes(password)));
  });

  it('have the dashboards of the version that runs', async () => {
    await using stage = await startUp();
    for (const [file, uid] of [
      ['app', 'tsuru-app'],
      ['instance', 'tsuru-prometheus-instance'],
    ] as const) {
      const { body, contentType } = await expect(stage.admin.call('GET', `${PROXY}/${file}.json`), 200);
      assert.deepEqual([JSON.parse(body), contentType], [{ uid }, 'application/json; charset=utf-8']);
    }
    const { body } = await expect(stage.admin.call('GET', `${PROXY}/dashboards.yaml`), 200);
    assert.equal((load(body) as { providers: readonly unknown[] }).providers.length, 1);
  });

  it('need a permission for the instance, whichever file it is', async () => {
    await using stage = await startUp();
    const owner = await callerOf(stage, 'owner', 'shop', 'service-instance.update.proxy');
    const others = [
      await callerOf(stage, 'other', 'ops', 'service-instance.update.proxy'),
      await callerOf(stage, 'none', 'shop'),
    ];
    for (const file of FILES) {
      assert.equal((await owner.call('GET', `${PROXY}/${file}`)).status, 200, file);
      for (const other of others) assert.equal((await other.call('GET', `${PROXY}/${file}`)).status, 403, file);
    }
  });

  it('are not where any token of Tsuru may read', async () => {
    await using stage = await startUp();
    const { hostname, port } = new URL(stage.broker.url);
    const authorization = `Basic ${btoa(`${AUTH.username}:${AUTH.password}`)}`;
    for (const file of FILES) {
      for (const path of [
        `/authenticated-resources/${file}`,
        `/authenticated-resources/my-instance/grafana/${file}`,
        `/authenticated-resources/resources/my-instance/grafana/${file}`,
        `/authenticated-resources/../resources/my-instance/grafana/${file}`,
        `/authenticated-resources/%2e%2e/resources/my-instance/grafana/${file}`,
        `/authenticated-resources//resources/my-instance/grafana/${file}`,
      ]) {
        // As it is written: other clients tidy such a path up.
        const socket = connect(Number(port), hostname);
        socket.end(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`);
        let answer = '';
        socket.on('data', (chunk) => (answer += String(chunk)));
        await once(socket, 'close');
        assert.match(answer, /^HTTP\/1\.1 404 /, path);
      }
    }
  });

  it('say what to do where the instance does not give them', async () => {
    await using stage = await startUp();
    const told = async (): Promise<readonly [number, string]> => {
      const { status, body } = await stage.ask('GET', '/resources/my-instance/grafana/datasource.yaml');
      return [status, body.replace(/ \(request .*/, '')];
    };
    const sentence = (reason: string): string =>
      `The instance does not give its files for Grafana (${reason}): run "tsuru service-instance-status prometheus my-instance" for what to do.`;
    stage.say(() => ({ status: 404, body: 'No such page.' }));
    const [status, older] = await told();
    assert.equal(status, 502);
    assert.match(older, /runs an older version.* --plan-param image=1", which empties its data\.$/);
    stage.say(() => ({ status: 401, body: '' }));
    assert.deepEqual(await told(), [502, sentence('it rejected its own password')]);
    stage.say(() => ({ status: 500, body: '' }));
    assert.deepEqual(await told(), [502, sentence('it answers 500')]);
    stage.say(() => ({ status: 200, body: '{}' }));
    assert.deepEqual(await told(), [502, sentence('datasources is missing, not a list')]);
    stage.say(() => ({ status: 302, body: '', location: 'http://127.0.0.1:1/' }));
    assert.deepEqual(await told(), [502, sentence('it answers 302')]);
    const gone = await stage.ask('GET', '/resources/nobody/grafana/app.json');
    assert.equal(gone.status, 410);
    assert.equal((await stage.ask('GET', '/resources/1/grafana/app.json')).status, 400);
  });
});
