import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { SETTINGS } from '../../../agent/shared/settings/settings.ts';
import type { Route } from '../../../broker/http/route.ts';
import { ROUTES } from '../../../broker/http/routes.ts';
import { expect } from '../../support/instance.ts';
import { APP, AUTH, startStage, type Stage } from '../stage.ts';

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';
const RIGHT = `Basic ${btoa(`${AUTH.username}:${AUTH.password}`)}`;
const EVENTS_TOKEN = 'a-token-that-all-can-read';
/** One that takes longer hangs. */
const LONGEST_MS = 20_000;
const MEBIBYTE = 1024 ** 2;
const CLUSTER_SECRET = 'kube-config-secret';

type Entries = readonly (readonly [key: string, value: unknown])[];

interface Sent {
  readonly route: Route;
  readonly path: string;
  /** '': none is said. */
  readonly type: string;
  readonly body: string;
  readonly authorization?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answered {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

describe('every route', () => {
  let stage: Stage;
  before(async () => {
    stage = await startStage({ environment: { BROKER_EVENTS_TOKEN: EVENTS_TOKEN } });
    await expect(stage.add(), 201);
    await stage.createApp('my-app');
  });
  after(() => stage[Symbol.asyncDispose]());

  async function send({ route, path, type, body, authorization, headers }: Sent): Promise<Answered> {
    const response = await fetch(`${stage.broker.url}${path}`, {
      ...{ method: route.method, signal: AbortSignal.timeout(LONGEST_MS) },
      headers: {
        ...headers,
        ...(authorization === undefined ? {} : { authorization }),
        ...(type === '' ? {} : { 'content-type': type }),
      },
      // A text has a type of its own in fetch; bytes have none.
      ...(route.method === 'GET' ? {} : { body: Buffer.from(body) }),
    });
    const contentType = response.headers.get('content-type') ?? '';
    return { status: response.status, type: contentType, text: await response.text() };
  }

  it('survives any input: no 5xx, no hang, one plain sentence, no secret in answers or log', async () => {
    const secrets = await secretsOf(stage);
    const before = await everything(stage);
    /** How often each route gave an answer that is no error, or got past its schema. */
    const reached = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(anything, async (one) => {
        const sent = request(one);
        // It is to be there to the end.
        if (sent.route.method === 'DELETE' && sent.path === '/resources/my-instance') return;
        const answer = await send(sent);
        const told = `${sent.route.method} ${sent.path} ${sent.type} ${sent.body}: ${answer.status} ${answer.text}`;
        // 431: so long an address is not read at all.
        if (sent.authorization !== rightOf(sent.route)) assert.ok([401, 431].includes(answer.status), told);
        // That an instance is down while it restarts with another plan is no failure of the service.
        assert.ok(answer.status < 500 || isStatus(sent.route) || isGrafana(sent.route), told);
        if (answer.status >= 400) {
          assert.equal(answer.type, 'text/plain; charset=utf-8', told);
          assert.match(answer.text, /^[^\p{Cc}\u2028\u2029]{10,2000}$/u, told);
          assert.doesNotMatch(answer.text, /node:|node_modules|\.ts\b|\bat .+:\d+:\d+|FST_|Error:/, told);
        }
        const givesPassword =
          answer.status < 400 && (isInfo(sent) || isBind(sent.route) || sent.route.path.endsWith('with-password.yaml'));
        for (const secret of givesPassword ? secrets.never : secrets.all)
          assert.ok(!answer.text.includes(secret), told);
        const isReached = answer.status < 300 || answer.text === 'There is no team nobodys.';
        const key = `${sent.route.method} ${sent.route.path}`;
        if (isReached) reached.set(key, (reached.get(key) ?? 0) + 1);
      }),
      { numRuns: 2_000 },
    );
    for (const { method, path, answers } of ROUTES) {
      const isPossible = Object.keys(answers).length > 0;
      assert.equal(reached.has(`${method} ${path}`), isPossible, `${method} ${path}: ${JSON.stringify([...reached])}`);
    }
    assert.deepEqual(await everything(stage), before);
    await expect(stage.update('my-instance', { plan: 'small' }), 200);
    for (const secret of secrets.all) assert.ok(!stage.lines.some((line) => line.includes(secret)), secret);
  });

  it('answers a body of any shape up to 1 MiB, and others meanwhile', async () => {
    const many = Array.from({ length: 50_000 }, (_, i) => `k${i}`);
    const bodies: readonly (readonly [type: string, body: string])[] = [
      [FORM, many.map((key) => `${key}=1`).join('&')],
      [FORM, many.map((key) => `parameters.${key}=1`).join('&')],
      [FORM, many.map(() => 'parameters.rules=1').join('&')],
      [FORM, '&'.repeat(MEBIBYTE)],
      [FORM, 'parameters.'.padEnd(MEBIBYTE, 'x')],
      [FORM, '%'.repeat(MEBIBYTE)],
      [JSON_TYPE, JSON.stringify(Object.fromEntries(many.map((key) => [key, 1])))],
      [JSON_TYPE, JSON.stringify({ parameters: Object.fromEntries(many.map((key) => [key, 1])) })],
      [JSON_TYPE, `{"parameters": {${many.map(() => '"rules": 1').join(',')}}}`],
      [JSON_TYPE, '['.repeat(MEBIBYTE)],
      [JSON_TYPE, `{"parameters": {"rules": ${'['.repeat(MEBIBYTE / 2 - 100)}${']'.repeat(MEBIBYTE / 2 - 100)}}}`],
      [JSON_TYPE, `{"parameters": {"retention": ${'9'.repeat(MEBIBYTE - 100)}}}`],
    ];
    const before = await everything(stage);
    for (const route of ROUTES.filter(({ method, fields }) => fields !== undefined && method !== 'DELETE')) {
      const path = pathOf(route, 'my-instance');
      for (const [type, body] of bodies) {
        assert.ok(body.length <= MEBIBYTE);
        const [answer, health] = await Promise.all([
          send({ route, path, type, body, authorization: rightOf(route) }),
          fetch(`${stage.broker.url}/healthz`, { signal: AbortSignal.timeout(LONGEST_MS) }),
        ]);
        const told = `${route.method} ${path} ${type} ${body.slice(0, 40)}: ${answer.status} ${answer.text.slice(0, 500)}`;
        assert.ok(answer.status < 500, told);
        if (answer.status >= 400) assert.match(answer.text, /^[^\p{Cc}]{10,2000}$/u, told);
        assert.equal(health.status, 200);
      }
    }
    assert.deepEqual(await everything(stage), before);
  });

  it('takes a body of 1 MiB, and refuses one of a byte more in one sentence', async () => {
    const start = {
      [FORM]: 'name=a1&team=nobodys&description=',
      [JSON_TYPE]: '{"name":"a1","team":"nobodys","description":"',
    };
    for (const route of ROUTES.filter(({ fields }) => fields !== undefined)) {
      const path = pathOf(route, 'nobody');
      for (const [type, head] of Object.entries(start)) {
        const end = type === JSON_TYPE ? '"}' : '';
        const whole = head.padEnd(MEBIBYTE - end.length, 'x') + end;
        assert.notEqual((await send({ route, path, type, body: whole, authorization: rightOf(route) })).status, 413);
        const { status, text } = await send({ route, path, type, body: `${whole} `, authorization: rightOf(route) });
        assert.deepEqual([status, text], [413, 'The request is larger than 1 MiB.'], `${route.method} ${path}`);
      }
    }
  });
});

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.constantFrom(
    ...['', ' ', '__proto__', 'constructor', 'toString', '\u0000', '\u2028', '\r\n', '☃'.repeat(500), '\ud800'],
    ...[
      'x'.repeat(20_000),
      '../..',
      '%00',
      'null',
      '-1',
      '0',
      '1e999',
      'true',
      'false',
      '1d',
      '15s',
      '10MB',
      '{',
      '[]',
    ],
    ...['my-instance', 'my-app', 'prometheus-my-instance', 'nobody', 'shop', 'ops', 'small', 'large', 'dev'],
    ...['groups: [', 'groups: []', 'a: &a [*a, *a]', 'url: http://u:p@h', '- url: http://h:1/x', '${X}', 'a=b,c=d'],
  ),
);

const value = fc.oneof(
  { weight: 3, arbitrary: text },
  fc.jsonValue({ maxDepth: 3 }),
  fc.constant(JSON.parse('['.repeat(200) + ']'.repeat(200)) as unknown),
);

const settingNames = [...SETTINGS.map(({ name }) => name), 'pool', 'bind_env', 'storage', 'storage_size'];

const entry = fc.oneof(
  fc.tuple(
    fc.constantFrom(
      ...['name', 'team', 'plan', 'tags', 'user', 'eventid', 'parameters', 'parameters.', 'description', 'app-name'],
      ...['appName', 'app-pool-name', 'appPoolName', 'app-cluster-name', 'appClusterName', 'app-hosts', 'job-name'],
    ),
    value,
  ),
  fc.tuple(
    fc.constantFrom(...settingNames).map((name) => `parameters.${name}`),
    value,
  ),
  fc.tuple(
    fc.constant('parameters'),
    fc.dictionary(fc.oneof(fc.constantFrom(...settingNames), text), value, { maxKeys: 5 }),
  ),
  fc.tuple(text, value),
);

const anything = fc.record({
  route: fc.constantFrom(...ROUTES),
  name: fc.oneof(
    text.map((name) => encodeURIComponent(name.toWellFormed())),
    fc.constantFrom('nobody', '%', '%E0%A4%A', 'a/b', 'my-instance?x=1', 'my-instance%2F', '.', '..'),
    { weight: 3, arbitrary: fc.constant('my-instance') },
  ),
  type: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(FORM, JSON_TYPE) },
    fc.constantFrom(
      ...[
        '',
        'text/plain',
        'multipart/form-data; boundary=x',
        'application/xml',
        'x',
        '/',
        `${JSON_TYPE}; charset=latin1`,
      ],
      ...[
        `${JSON_TYPE}; charset=utf-8`,
        `${FORM}; charset=UTF-8`,
        'APPLICATION/JSON',
        `${JSON_TYPE};`,
        `${FORM}, ${JSON_TYPE}`,
      ],
    ),
  ),
  entries: fc.array(entry, { maxLength: 6 }),
  /** Whether what the route demands is there and right. */
  isWhole: fc.boolean(),
  /** How much of the body is sent. */
  share: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
  authorization: fc.oneof(
    { weight: 19, arbitrary: fc.constant(RIGHT) },
    fc.constantFrom(undefined, 'Basic', 'Bearer x', `Basic ${btoa(`${AUTH.username}:`)}`, `${RIGHT}x`),
  ),
  headers: fc.dictionary(
    fc.constantFrom('x-tsuru-user', 'x-tsuru-eventid', 'x-tsuru-pool-name', 'x-tsuru-cluster-name', 'x-request-id'),
    fc.oneof(fc.string({ maxLength: 300 }), fc.constantFrom('dev', 'x'.repeat(5_000))),
    { maxKeys: 2 },
  ),
});

type Anything = typeof anything extends fc.Arbitrary<infer T> ? T : never;

/** A request that may be right in all but one thing, or in none; never one that would make an instance. */
function request({ route, name, type, entries, isWhole, share, authorization, headers }: Anything): Sent {
  const isCreate = route.method === 'POST' && route.path === '/resources';
  const isJson = /json/i.test(type);
  const isEvent = route.secret !== undefined;
  const event: Entries = [
    ['app', 'my-app'],
    ['kind', 'app.deploy'],
  ];
  const bound: Entries = [[isJson ? 'appName' : 'app-name', 'my-app']];
  const demanded = isCreate ? [['name', 'nobody'] as const] : isEvent ? event : bound;
  const given = isWhole ? [...entries.filter(([key]) => !DEMANDED.includes(key)), ...demanded] : entries;
  // With a team that does not exist everything else of a new instance is looked at, and nothing is made.
  const safe: Entries = isCreate ? [...given.filter(([key]) => key !== 'team'), ['team', 'nobodys']] : given;
  const body = isJson ? jsonOf(safe) : formOf(safe);
  return {
    ...{ route, type, authorization: authorization === RIGHT ? rightOf(route) : authorization },
    path: pathOf(route, name || 'nobody'),
    body: body.slice(0, Math.ceil(body.length * share)),
    headers: { ...headers, 'x-tsuru-cluster-kube-config': CLUSTER_SECRET },
  };
}

const DEMANDED = ['name', 'team', 'app-name', 'appName', 'app', 'kind'];

function rightOf({ secret }: Route): string {
  return secret === undefined ? RIGHT : `Bearer ${EVENTS_TOKEN}`;
}

/** With each key as often as it is there. */
function jsonOf(entries: Entries): string {
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${JSON.stringify(item)}`).join(',')}}`;
}

function formOf(entries: Entries): string {
  const texts = entries.map(([key, item]): [string, string] => [
    key,
    typeof item === 'string' ? item : JSON.stringify(item),
  ]);
  return new URLSearchParams(texts).toString();
}

function pathOf({ path }: Route, name: string): string {
  return path.replace(':name', name).replace(':job', 'my-job');
}

function isInfo({ route, path }: Sent): boolean {
  return route.method === 'GET' && /^\/resources\/my-instance(\?|$)/.test(path);
}

function isStatus({ path }: Route): boolean {
  return path.endsWith('/status');
}

/** Asks the agent, and says so where there is none. */
function isGrafana({ path }: Route): boolean {
  return path.includes('/grafana/');
}

function isBind({ method, path }: Route): boolean {
  return method === 'POST' && path.startsWith('/resources/:name/bind');
}

/** What no answer may hold, and what only info, a bind with variables and a file that is named so may. */
async function secretsOf({ admin, brokerToken }: Stage): Promise<{ never: string[]; all: string[] }> {
  const { body } = await expect(admin.call('GET', `/1.0/apps/${APP}/env`), 200);
  const valueOf = (wanted: string): string => {
    const found = (JSON.parse(body) as { name: string; value: string }[]).find(({ name }) => name === wanted);
    assert.ok(found !== undefined && found.value !== '', wanted);
    return found.value;
  };
  const never = [AUTH.password, brokerToken, CLUSTER_SECRET, valueOf('TSURU_TOKEN')];
  return { never, all: [...never, valueOf('GATEWAY_PASSWORD')] };
}

/** What there is in Tsuru, by name. */
async function everything({ admin }: Stage): Promise<readonly string[]> {
  const lists = await Promise.all(
    [
      ['/1.0/apps', 'name'],
      ['/1.6/tokens', 'token_id'],
      ['/1.4/volumes', 'Name'],
    ].map(async ([path = '', key = '']) => {
      const { body } = await expect(admin.call('GET', path), 200);
      return (JSON.parse(body) as Record<string, string>[]).map((one) => `${path} ${one[key]}`);
    }),
  );
  return lists.flat().sort();
}
