import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { request, type Dispatcher } from 'undici';
import { asArray, asObject } from '../../../agent/shared/shape.ts';
import { freeAddress } from '../../support/address.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { startPrometheus, type RunningPrometheus } from '../../support/prometheus.ts';
import { until } from '../../support/until.ts';
import { guard, RIGHT, type Guarded } from './guarded.ts';

const RULES = 'groups: [{name: demo, rules: [{alert: Always, expr: vector(1)}]}]\n';

interface Asked {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  /** Sent as Grafana's own client sends it. */
  readonly form?: Readonly<Record<string, string>>;
}

/** What Grafana asks with `httpMethod: POST` (pkg/promlib/client/client.go), and what must be in the answer's data. */
const REQUESTS: readonly (readonly [what: string, asked: (nowSeconds: number) => Asked, expected: RegExp])[] = [
  [
    'the health check of a data source',
    () => post('/api/v1/query', { query: '1+1', time: '4' }),
    /"resultType":"scalar","result":\[4,"2"\]/,
  ],
  ['the version, by which it knows what Prometheus can do', () => get('/api/v1/status/buildinfo'), /"version":"\d/],
  [
    'a figure',
    (now) => post('/api/v1/query', { query: 'up{job="self"}', time: `${now}.25` }),
    /"value":\[[\d.]+,"1"\]/,
  ],
  [
    'a graph',
    (now) => post('/api/v1/query_range', { query: 'up{job="self"}', start: `${now - 60}`, end: `${now}`, step: '5' }),
    /"values":\[\[\d+,"1"\]/,
  ],
  [
    'a graph with a limit of time',
    (now) =>
      post('/api/v1/query_range', {
        query: 'sum by (job) (rate(prometheus_http_requests_total[10s]))',
        start: `${now - 60}`,
        end: `${now}`,
        step: '5',
        timeout: '30s',
      }),
    /"resultType":"matrix"/,
  ],
  [
    'exemplars',
    (now) => post('/api/v1/query_exemplars', { query: 'up', start: `${now - 60}`, end: `${now}` }),
    /^\[\]$/,
  ],
  [
    'series',
    (now) => post('/api/v1/series', { 'match[]': '{job="self"}', start: `${now - 60}`, end: `${now}`, limit: '40000' }),
    /"__name__":"up"/,
  ],
  [
    'the names of labels',
    (now) => post(`/api/v1/labels?start=${now - 60}`, { 'match[]': 'up', end: `${now}` }),
    /\["__name__","instance","job"\]/,
  ],
  [
    'the values of a label, for a variable',
    (now) => get(`/api/v1/label/job/values?start=${now - 60}&end=${now}&match%5B%5D=up%7Binstance%21%3D%22%22%7D`),
    /^\["self"\]$/,
  ],
  [
    'the names of metrics',
    (now) => get(`/api/v1/label/__name__/values?start=${now - 60}&end=${now}&limit=40000`),
    /"up"/,
  ],
  ['what metrics are', () => get('/api/v1/metadata'), /"prometheus_build_info":\[\{"type":"gauge"/],
  ['what metrics are, of one', () => get('/api/v1/metadata?limit=1&metric=up'), /^\{/],
  ['rules', () => get('/api/v1/rules?type=alert'), /"name":"Always"/],
  ['alerts', () => get('/api/v1/alerts'), /"alertname":"Always"/],
  ['targets', () => get('/api/v1/targets?state=active'), /"health":"up"/],
  ['the receivers of alerts', () => get('/api/v1/alertmanagers'), /"activeAlertmanagers":\[\]/],
  ['the flags', () => get('/api/v1/status/flags'), /"storage.tsdb.path"/],
  ['a query, laid out well', () => post('/api/v1/format_query', { query: 'sum(up)by(job)' }), /sum by \(job\) \(up\)/],
];

function get(path: string): Asked {
  return { method: 'GET', path };
}

function post(path: string, form: Readonly<Record<string, string>>): Asked {
  return { method: 'POST', path, form };
}

/** The first samples are younger than a second. */
function nextSecond(): number {
  return Math.ceil(Date.now() / 1000);
}

describe('Grafana in front of the gateway', () => {
  const stack = new AsyncDisposableStack();
  let prometheus: RunningPrometheus;
  let guarded: Guarded;

  before(async () => {
    const { path: folder } = stack.use(await temporaryFolder());
    const configFile = join(folder, 'prometheus.yml');
    const address = `${freeAddress()}:9090`;
    await writeFile(join(folder, 'rules.yml'), RULES);
    const scrape = `[{job_name: self, static_configs: [{targets: ['${address}']}]}]`;
    await writeFile(
      configFile,
      `global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\nscrape_configs: ${scrape}\n`,
    );
    prometheus = await startPrometheus({ folder, configFile, address });
    stack.defer(() => prometheus.stop());
    guarded = stack.use(await guard(prometheus.url));
    await until('samples and an alert', async () => {
      const { size } = await prometheus.query('up == 1 and on () ALERTS');
      return size > 0;
    });
  });
  after(() => stack.disposeAsync());

  async function ask({ method, path, form }: Asked): Promise<{ status: number; type: string; text: string }> {
    const { statusCode, headers, body } = await request(`${guarded.url}${path}`, {
      method,
      headers: {
        authorization: RIGHT,
        'accept-encoding': 'gzip',
        'user-agent': 'Grafana/12.0.0',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      ...(form === undefined ? {} : { body: new URLSearchParams(form).toString() }),
    });
    const bytes = Buffer.from(await body.arrayBuffer());
    const text = (headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString('utf8');
    return { status: statusCode, type: String(headers['content-type']), text };
  }

  for (const [what, askedAt, expected] of REQUESTS) {
    it(`gets ${what}`, async () => {
      const { status, type, text } = await ask(askedAt(nextSecond()));
      assert.deepEqual([status, type], [200, 'application/json'], text);
      const answer = asObject(JSON.parse(text), 'answer');
      assert.equal(answer['status'], 'success');
      assert.match(JSON.stringify(answer['data']), expected);
    });
  }

  it('gets a 405 for what is read by GET alone, so that it goes on with GET', async () => {
    for (const path of ['/api/v1/rules', '/api/v1/alerts', '/api/v1/status/buildinfo', '/api/v1/label/job/values']) {
      assert.equal((await ask(post(path, { 'match[]': 'up' }))).status, 405, path);
      assert.equal((await ask(get(path))).status, 200, path);
    }
  });

  it("reads Prometheus' own words of a query that is wrong", async () => {
    const { status, text } = await ask(post('/api/v1/query_range', { query: 'sum(', start: '1', end: '2', step: '1' }));
    const { status: kind, errorType, error } = asObject(JSON.parse(text), 'answer');
    assert.deepEqual([status, kind, errorType], [400, 'error', 'bad_data']);
    assert.match(String(error), /parse error/);
  });

  it('gets every panel of a dashboard, though they ask all at once', async () => {
    const now = nextSecond();
    const panel = post('/api/v1/query_range', { query: 'up', start: `${now - 60}`, end: `${now}`, step: '5' });
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(panel)));
    for (const { status, text } of answers) {
      assert.equal(status, 200);
      assert.equal(
        asArray(asObject(asObject(JSON.parse(text), 'answer')['data'], 'data')['result'], 'result').length,
        1,
      );
    }
  });
});
