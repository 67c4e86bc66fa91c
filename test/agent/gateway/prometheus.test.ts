import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { request } from 'undici';
import { routeOf } from '../../../agent/gateway/routes.ts';
import { asObject } from '../../../agent/shared/shape.ts';
import { freeAddress } from '../../support/address.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { startPrometheus, type RunningPrometheus } from '../../support/prometheus.ts';
import { until } from '../../support/until.ts';
import { guard, RIGHT, type Guarded } from './guarded.ts';

/** Routes of Prometheus that the gateway leaves out on purpose: they change it, burden it, or show the server's files. */
const LEFT_OUT = [
  /^\/-\/(quit|reload)$/,
  /^\/debug\//,
  /^\/consoles\//,
  /^\/user\//,
  /^\/api\/v1\/(admin|otlp)\//,
  /^\/api\/v1\/(read|write|\*path)$/,
];
/** Slow enough to be caught in the act, and looked at step by step: of what is the same at all times, 2.42 cannot be stopped. */
const SLOW_QUERY = `query=${encodeURIComponent('max_over_time(sum(vector(time()))[12h:1ms])')}`;

describe('the gateway in front of a real Prometheus', () => {
  const stack = new AsyncDisposableStack();
  let prometheus: RunningPrometheus;
  let guarded: Guarded;

  before(async () => {
    const { path: folder } = stack.use(await temporaryFolder());
    const configFile = join(folder, 'prometheus.yml');
    await writeFile(configFile, 'global: {}\n');
    prometheus = await startPrometheus({ folder, configFile, address: `${freeAddress()}:9090` });
    stack.defer(() => prometheus.stop());
    guarded = stack.use(await guard(prometheus.url));
  });
  after(() => stack.disposeAsync());

  async function direct(path: string): Promise<number> {
    const { statusCode, body } = await request(`${prometheus.url}${path}`);
    await body.dump();
    return statusCode;
  }

  it('answers queries as Prometheus does, by GET and by POST', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const query = `query=${encodeURIComponent('vector(42)')}`;
    for (const answer of [
      await guarded.get(`/api/v1/query?${query}`),
      await guarded.get('/api/v1/query', { method: 'POST', headers: form, body: query }),
    ]) {
      assert.equal(answer.status, 200);
      assert.match(answer.body, /"value":\[[\d.]+,"42"\]/);
    }
    assert.equal((await guarded.get('/api/v1/query?query=%7B')).status, 400);
  });

  it('names the limit that stopped a query, however the answer is encoded, and of no other error', async () => {
    const seen: string[] = [];
    await using watched = await guard(prometheus.url, { onStopped: (limit, error) => seen.push(`${limit}: ${error}`) });
    for (const encoding of ['identity', 'gzip', 'deflate']) {
      const path = `/api/v1/query?timeout=10ms&${SLOW_QUERY}`;
      const { status } = await watched.get(path, { headers: { 'accept-encoding': encoding } });
      assert.equal(status, 503);
    }
    const invalid = encodeURIComponent('label_replace(vector(1), "a", "x", "b", "(")');
    assert.equal((await watched.get(`/api/v1/query?query=${invalid}`)).status, 422);
    await until('three to be told', () => seen.length >= 3);
    assert.deepEqual(new Set(seen), new Set(['query_timeout: query timed out in expression evaluation']));
    assert.equal(seen.length, 3);
  });

  it('shows every page and file that the UI asks for', async () => {
    const { headers: home } = await request(`${prometheus.url}/`);
    const start = String(home['location']);
    const seen = new Map<string, number>();
    const links = [start];
    for (let path = links.shift(); path !== undefined; path = links.shift()) {
      const { status, headers, body } = await guarded.get(path);
      seen.set(path, status);
      assert.equal(status, await direct(path), path);
      if (!String(headers['content-type']).startsWith('text/html')) continue;
      for (const [, link = ''] of body.matchAll(/(?:src|href)="([^"#]+)"/g)) {
        const { pathname, search, origin } = new URL(link, `http://prometheus${path}`);
        if (origin === 'http://prometheus' && !seen.has(pathname + search)) {
          seen.set(pathname + search, 0);
          links.push(pathname + search);
        }
      }
    }
    assert.ok(seen.size > 0);
    assert.equal(await guarded.metric('refused_total{reason="not_found"}'), 0, [...seen.keys()].join(' '));
  });

  it('knows every route of this Prometheus: it is answered, or left out on purpose', async () => {
    const { body } = await request(`${prometheus.url}/metrics`);
    const page = await body.text();
    const routes = [...page.matchAll(/prometheus_http_requests_total\{[^}]*handler="([^"]+)"/g)].map(
      ([, route = '']) => route,
    );
    assert.ok(routes.length > 0);
    for (const route of new Set(routes)) {
      const path = route.replace('*filepath', 'a.js').replace(':name', 'job').replace(/^$/, '/');
      const { found } = routeOf('GET', path);
      const isLeftOut = LEFT_OUT.some((pattern) => pattern.test(route));
      assert.ok(found !== isLeftOut, route);
    }
  });

  it('leaves Prometheus alone where somebody wants to change it', async () => {
    for (const path of [
      '/-/quit',
      '/-/reload',
      '/api/v1/admin/tsdb/snapshot',
      '/api/v1/write',
      '/api/v1/otlp/v1/metrics',
    ]) {
      for (const method of ['POST', 'PUT'] as const) assert.equal((await guarded.get(path, { method })).status, 404);
    }
    assert.equal((await guarded.get('/debug/pprof/heap')).status, 404);
    assert.equal((await guarded.get('/api/v1/series', { method: 'DELETE' })).status, 405);
    assert.equal(await direct('/-/ready'), 200);
  });

  it('stops a query in Prometheus when its client leaves', async () => {
    const running = async (): Promise<number> => {
      const { body } = await request(`${prometheus.url}/metrics`);
      return Number(/^prometheus_engine_queries (\d+)/m.exec(await body.text())?.[1]);
    };
    const leave = new AbortController();
    const answer = guarded.get(`/api/v1/query?${SLOW_QUERY}`, { signal: leave.signal });
    await until('the query to run', async () => (await running()) === 1);
    leave.abort();
    await assert.rejects(answer);
    await until('the query to stop', async () => (await running()) === 0);
  });

  it('lets notifications stream where Prometheus has them', async () => {
    const { status, body } = await guarded.get('/api/v1/status/buildinfo');
    assert.equal(status, 200);
    const version = String(asObject(asObject(JSON.parse(body), 'answer')['data'], 'data')['version']);
    const leave = new AbortController();
    const answer = await request(`${guarded.url}/api/v1/notifications/live`, {
      headers: { authorization: RIGHT },
      signal: leave.signal,
    });
    assert.equal(answer.statusCode, version.startsWith('2.') ? 404 : 200);
    answer.body.on('error', () => undefined);
    leave.abort();
  });
});
