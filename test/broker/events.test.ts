import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { webhookOf, WEBHOOK_BODY } from '../../broker/tsuru/webhook.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { APP, startStage, type Stage } from './stage.ts';

const TOKEN = 'a-token-that-all-can-read';
const INSTANCES = '/1.0/services/instances?app=';

interface Watched extends AsyncDisposable {
  readonly stage: Stage;
  /** The apps that each poke of an agent named. */
  readonly pokes: readonly string[];
  event(body: string, headers?: Readonly<Record<string, string>>): Promise<readonly [status: number, body: string]>;
  /** How often the instances of an app were requested. */
  looks(app: string): number;
}

/** An instance that is up and has my-app bound, and the pokes of all agents from then on. */
async function startWatched(): Promise<Watched> {
  const stage = await startStage({ environment: { BROKER_EVENTS_TOKEN: TOKEN } });
  let pokes: string[] = [];
  stage.say(({ method, path, body }) => {
    if (`${method} ${path}` !== 'POST /tsuru/poll') return { status: 200, body: '{"ready": true}' };
    pokes.push((JSON.parse(body) as { apps: string[] }).apps.join(' '));
    return { status: 202, body: '' };
  });
  await stage.createApp('my-app');
  await expect(stage.add(), 201);
  await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
  await expect(stage.bind('my-app'), 200);
  await until('the poke of the bind', () => pokes.length === 1);
  pokes = [];
  return {
    stage,
    get pokes() {
      return pokes;
    },
    async event(body, headers = {}) {
      const response = await fetch(`${stage.broker.url}/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers },
        body,
      });
      return [response.status, await response.text()];
    },
    looks: (app) =>
      stage.tsuru.requests
        .all()
        .filter(({ path, query }) => `${path}?${query}`.replace('??', '?') === `${INSTANCES}${app}`).length,
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

function eventOf(app: string, kind = 'app.deploy'): string {
  return WEBHOOK_BODY.replace('{{.Target.Value}}', app).replace('{{.Kind.Name}}', kind);
}

describe('an event of Tsuru', { concurrency: 4 }, () => {
  it('pokes the instances that have the app bound, and no others', async () => {
    await using watched = await startWatched();
    const { stage, pokes } = watched;
    await stage.createApp('other-app');
    await expect(stage.add('other'), 201);
    await until('the other instance to be up', async () => (await stage.status('other')).endsWith('is up'));
    await expect(stage.bind('other-app', 'other'), 200);
    await until('the poke of the bind', () => pokes.length === 1);
    for (const app of ['unbound', APP, 'my-app', 'other-app'])
      assert.deepEqual(await watched.event(eventOf(app)), [202, '']);
    await until('both pokes', () => pokes.length === 3);
    assert.deepEqual(pokes.slice(1).sort(), ['my-app', 'other-app']);
  });

  it('is answered before anything is asked of Tsuru', async () => {
    await using watched = await startWatched();
    const { stage, pokes } = watched;
    const mend = stage.tsuru.faults.add({ kind: 'latency', ms: 3_000 });
    const startedMs = performance.now();
    assert.equal((await watched.event(eventOf('my-app')))[0], 202);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < 1_000, `it took ${tookMs} ms`);
    mend();
    await until('the poke', () => pokes.length === 1);
  });

  it('of the same app leads to one look in 300 ms, and the last one is never lost', async () => {
    await using watched = await startWatched();
    const EVENTS = 40;
    for (let n = 0; n < EVENTS; n += 1) await watched.event(eventOf('quiet-app', 'app.update.unit.add'));
    const startedMs = performance.now();
    const before = watched.looks('quiet-app');
    await watched.event(eventOf('quiet-app'));
    await until('the look after the last event', () => watched.looks('quiet-app') > before);
    assert.ok(performance.now() - startedMs < 5_000);
    assert.ok(watched.looks('quiet-app') < EVENTS / 2, `${watched.looks('quiet-app')} looks`);
  });

  it('that cannot be read is refused in one sentence', async () => {
    await using watched = await startWatched();
    for (const [body, sentence] of [
      ['{', 'The body is no JSON.'],
      ['[]', 'The body is no JSON object.'],
      ['{}', 'app is missing.'],
      ['{"app":"my-app"}', 'kind is missing.'],
      ['{"app":1,"kind":"app.deploy"}', 'app cannot be used: it must be a text.'],
      [eventOf('My App'), 'No app can have this name.'],
      ...['service.update', 'app', 'app.deploys', 'app.run', '{{.Kind.Name}}'].map((kind): [string, string] => [
        eventOf('my-app', kind),
        'This kind of event is unknown: there are app.deploy, app.update, app.create, app.delete, and those below.',
      ]),
    ] as const)
      assert.deepEqual(await watched.event(body), [400, sentence], body);
    assert.equal((await watched.event('{"app":"my-app"}', { 'content-type': 'text/plain' }))[0], 415);
    assert.equal(watched.looks('my-app'), 0);
  });

  it('needs the token of the webhook, which opens nothing else', async () => {
    await using watched = await startWatched();
    const { stage } = watched;
    const service = `Basic ${Buffer.from('tsuru:a-password-of-tsuru').toString('base64')}`;
    for (const authorization of [
      '',
      service,
      'Bearer',
      `Bearer ${TOKEN.slice(1)}`,
      `Bearer ${TOKEN}, Bearer ${TOKEN}`,
      `Basic ${TOKEN}`,
    ])
      assert.deepEqual(await watched.event(eventOf('my-app'), { authorization }), [
        401,
        'This is not the token of the webhook.',
      ]);
    assert.equal(watched.looks('my-app'), 0);
    const { paths } = JSON.parse((await stage.ask('GET', '/openapi.json')).body) as { paths: Record<string, object> };
    const others = Object.entries(paths).filter(([path]) => !['/events', '/healthz', '/readyz'].includes(path));
    assert.ok(others.length > 5);
    for (const [path, methods] of others)
      for (const method of Object.keys(methods))
        for (const authorization of [`Bearer ${TOKEN}`, `Basic ${Buffer.from(`tsuru:${TOKEN}`).toString('base64')}`]) {
          const { status } = await fetch(`${stage.broker.url}${path.replaceAll(/[{}]/g, '')}`, {
            ...{ method: method.toUpperCase(), headers: { authorization } },
          });
          assert.equal(status, 401, `${method} ${path}`);
        }
    assert.ok(!stage.lines.join().includes(TOKEN));
  });

  it('is not taken without BROKER_EVENTS_TOKEN', async () => {
    await using stage = await startStage();
    const answer = await stage.ask('POST', '/events', { headers: { authorization: `Bearer ${TOKEN}` } });
    assert.deepEqual([answer.status, answer.body], [404, 'No events are taken: set BROKER_EVENTS_TOKEN.']);
  });

  it('comes through the webhook of the service: unit-add, deploy, metadata, but none of a service', async () => {
    await using watched = await startWatched();
    const { stage, pokes } = watched;
    const hook = webhookOf({ name: 'prometheus', team: 'ops', brokerUrl: `${stage.broker.url}/`, token: TOKEN });
    await expect(stage.admin.call('POST', '/1.6/events/webhooks', { json: hook }), 200);
    const changes: readonly (readonly [what: string, method: string, path: string, body: object])[] = [
      ['unit-add', 'PUT', '/units', { form: { units: 1, process: 'web' } }],
      ['deploy', 'POST', '/deploy', { form: { image: 'shop/app:2', origin: 'image' } }],
      ['metadata', 'PUT', '', { json: { metadata: { annotations: [{ name: 'a', value: 'b' }] }, noRestart: true } }],
    ];
    for (const [what, method, path, body] of changes) {
      const before = pokes.length;
      await expect(stage.admin.call(method, `/1.0/apps/my-app${path}`, body as { json: unknown }), 200);
      await until(`the poke of ${what}`, () => pokes.length > before);
    }
    assert.deepEqual(new Set(pokes), new Set(['my-app']));
    const looks = watched.looks('my-app');
    await stage.createApp('other-app');
    await until('the event of another app', () => watched.looks('other-app') > 0);
    assert.equal(watched.looks('my-app'), looks);
  });
});
