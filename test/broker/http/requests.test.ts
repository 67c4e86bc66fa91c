import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ROUTES } from '../../../broker/http/routes.ts';
import { expect } from '../../support/instance.ts';
import { AUTH, startStage, type Stage } from '../stage.ts';

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';

describe('every route', () => {
  let stage: Stage;
  before(async () => {
    stage = await startStage();
    await expect(stage.add(), 201);
    await stage.createApp('my-app');
  });
  after(() => stage[Symbol.asyncDispose]());

  it('except the two for health and that for events asks for user and password', async () => {
    const pages = [
      ...ROUTES.filter(({ secret }) => secret === undefined),
      { method: 'GET', path: '/metrics' },
      { method: 'GET', path: '/openapi.json' },
      { method: 'GET', path: '/nothing' },
    ];
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
    const wrong = [
      undefined,
      '',
      'Basic',
      'Basic !',
      'Bearer x',
      basic(''),
      basic(':'),
      basic(AUTH.username),
      basic(`${AUTH.username}:`),
      basic(`${AUTH.username}:wrong`),
      basic(`:${AUTH.password}`),
      basic(`${AUTH.username}:${AUTH.password}x`),
    ];
    for (const { method, path } of pages) {
      for (const authorization of wrong) {
        const response = await fetch(`${stage.broker.url}${path.replaceAll(/:\w+/g, 'my-instance')}`, {
          method,
          ...(authorization === undefined ? {} : { headers: { authorization } }),
        });
        assert.equal(response.status, 401, `${method} ${path} ${authorization}`);
        assert.match(await response.text(), /^The user or password of this service is not right: an administrator/);
        assert.match(response.headers.get('www-authenticate') ?? '', /^Basic /);
      }
    }
    for (const path of ['/healthz', '/readyz']) assert.equal((await fetch(`${stage.broker.url}${path}`)).status, 200);
  });

  it('reads a form and JSON alike, and ignores what it does not know', async () => {
    const bodies = [
      [FORM, 'eventid=1&name=same&team=nobodys&user=a%40b&parameters.retention=1d&parameters.=x&unknown=1&unknown=2'],
      [
        JSON_TYPE,
        JSON.stringify({
          eventID: '1',
          name: 'same',
          team: 'nobodys',
          user: 'a@b',
          parameters: { retention: '1d' },
          unknown: [{}],
        }),
      ],
    ] as const;
    const answers = await Promise.all(
      bodies.map(([type, body]) => stage.ask('POST', '/resources', { body, headers: { 'content-type': type } })),
    );
    assert.deepEqual(
      answers.map(({ body }) => body),
      ['There is no team nobodys.', 'There is no team nobodys.'],
    );
  });

  it('takes descriptions and tags of any length and number, for it does not use them', async () => {
    const tags = Array.from({ length: 1_001 }, (_, i) => `tags=${i}`).join('&');
    for (const [method, path, start] of [
      ['POST', '/resources', 'name=a1&team=nobodys'],
      ['PUT', '/resources/my-instance', 'team=shop'],
    ] as const) {
      const body = `${start}&description=${'x'.repeat(1_001)}&${tags}`;
      const answer = await stage.ask(method, path, { body, headers: { 'content-type': FORM } });
      assert.doesNotMatch(answer.body, /cannot be used/);
    }
  });

  it('refuses an instance called plans', async () => {
    const body = 'name=plans&team=shop';
    const answer = await stage.ask('POST', '/resources', { body, headers: { 'content-type': FORM } });
    assert.deepEqual([answer.status, answer.body], [400, 'No instance can be called plans: choose another name.']);
  });

  it('refuses more than 1 MiB, other types than form and JSON, and invalid JSON', async () => {
    for (const [type, body, status, words] of [
      [FORM, `name=${'x'.repeat(1024 ** 2)}`, 413, 'The request is larger than 1 MiB.'],
      [JSON_TYPE, `{"name": "${'x'.repeat(1024 ** 2)}"}`, 413, 'The request is larger than 1 MiB.'],
      ['text/xml', '<name/>', 415, 'Send a form or JSON.'],
      [JSON_TYPE, '{"name"', 400, 'The body is no JSON.'],
      [JSON_TYPE, '[]', 400, 'The body is no JSON object.'],
      [FORM, 'team=shop', 400, 'name is missing.'],
      [FORM, 'name=a1&name=b1&team=shop', 400, 'name cannot be used: it must be a text.'],
      [JSON_TYPE, '{"name": {"a": 1}, "team": "shop"}', 400, 'name cannot be used: it must be a text.'],
      [JSON_TYPE, '{"name": "a1", "team": "\\ud800"}', 400, 'team cannot be used: it must be one line of text.'],
      [
        JSON_TYPE,
        '{"name": "a1", "team": "shop", "parameters": [1]}',
        400,
        'parameters cannot be used: it must be an object.',
      ],
    ] as const) {
      const answer = await stage.ask('POST', '/resources', { body, headers: { 'content-type': type } });
      assert.deepEqual([answer.status, answer.body], [status, words]);
      assert.match(answer.contentType, /^text\/plain/);
    }
  });

  it('is counted, and logged with who asked', async () => {
    const headers = {
      'x-tsuru-user': 'me@example.com',
      'x-tsuru-eventid': '6b03be2c2af1788d723ae9b4',
      'x-request-id': 'my-request-1',
    };
    await stage.ask('GET', '/resources/plans', { headers });
    const line = stage.lines.find((one) => one.includes('my-request-1')) ?? '';
    for (const part of ['me@example.com', '6b03be2c2af1788d723ae9b4', '/resources/plans'])
      assert.ok(line.includes(part), line);
    const { body } = await stage.ask('GET', '/metrics');
    assert.match(body, /^tsuru_broker_requests_total\{method="GET",route="\/resources\/plans",status="200"\} [1-9]/m);
    assert.match(body, /^tsuru_broker_request_duration_seconds_count\{method="POST",route="\/resources"\} [1-9]/m);
    assert.match(body, /^tsuru_broker_api_requests_total\{call="app_create",status="201"\} 1$/m);
  });
});
