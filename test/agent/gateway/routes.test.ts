import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { routeOf } from '../../../agent/gateway/routes.ts';
import { pathOf } from '../../../agent/gateway/target.ts';

describe('the routes of the gateway', () => {
  for (const [path, kind] of [
    ['/', 'ui'],
    ['/query', 'ui'],
    ['/graph', 'ui'],
    ['/classic/graph', 'ui'],
    ['/classic/static/js/graph/index.js', 'ui'],
    ['/assets/index-B1x_2.js', 'ui'],
    ['/static/css/main.css', 'ui'],
    ['/api/v1/status/config', 'ui'],
    ['/api/v1/targets', 'ui'],
    ['/api/v1/query', 'query'],
    ['/api/v1/label/__name__/values', 'query'],
    ['/api/v1/label/U__dotted_2e_name/values', 'query'],
    ['/federate', 'query'],
    ['/api/v1/notifications/live', 'live'],
    ['/metrics', 'agent'],
    ['/tsuru/status', 'agent'],
    ['/-/ready', 'health'],
  ] as const) {
    it(`has ${path} as ${kind}, with GET and HEAD`, () => {
      assert.deepEqual(routeOf('GET', path), { found: true, kind });
      assert.deepEqual(routeOf('HEAD', path), { found: true, kind });
    });
  }

  it('takes POST for queries only, and no other method', () => {
    assert.deepEqual(routeOf('POST', '/api/v1/query_range'), { found: true, kind: 'query' });
    assert.deepEqual(routeOf('POST', '/api/v1/series'), { found: true, kind: 'query' });
    assert.deepEqual(routeOf('POST', '/api/v1/targets'), { found: false, allowed: ['GET', 'HEAD'] });
    for (const method of ['DELETE', 'PUT', 'PATCH', 'OPTIONS', 'TRACE', 'CONNECT', 'QUERY', 'get', ''])
      assert.equal(routeOf(method, '/api/v1/series').found, false, method);
  });

  for (const path of [
    '/-/reload',
    '/-/quit',
    '/-/',
    '/api/v1/admin/tsdb/delete_series',
    '/api/v1/admin/tsdb/snapshot',
    '/api/v1/write',
    '/api/v1/read',
    '/api/v1/otlp/v1/metrics',
    '/debug/pprof',
    '/debug/pprof/heap',
    '/tsuru/poll',
    '/healthz',
    '/consoles/prometheus.html',
    '/user/file',
    '/api/v1/query/',
    '/api/v1/label//values',
    '/api/v1/label/a/b/values',
    '/api/v1/LABELS',
    '/static/',
    '/unknown',
    'toString',
  ]) {
    it(`has no ${path}`, () => {
      for (const method of ['GET', 'POST', 'PUT', 'HEAD'])
        assert.deepEqual(routeOf(method, path), { found: false, allowed: [] }, method);
    });
  }
});

describe('the target of a request', () => {
  it('is a plain path with any visible query', () => {
    assert.equal(pathOf('/api/v1/query?query=up{job="x"}|%C3%BC&a=b?c/../d'), '/api/v1/query');
    assert.equal(pathOf('/'), '/');
    assert.equal(pathOf('/classic/'), '/classic/');
    assert.equal(pathOf('/assets/a.b-c_d.min.js'), '/assets/a.b-c_d.min.js');
  });

  for (const target of [
    '',
    '*',
    'http://127.0.0.1:9090/-/quit',
    '//-/quit',
    '//example.com/query',
    '/static/../-/quit',
    '/static/./x',
    '/static/..',
    '/static/%2e%2e/-/quit',
    '/static/%2E%2E%2f-/quit',
    '/static%2f..%2f-/quit',
    '/static\\..\\-\\quit',
    '/static/..;/-/quit',
    '/static//x',
    '/-/quit%00',
    '/query#fragment',
    '/query?a#b',
    '/query?a b',
    '/query?a\u00ff',
    '/quéry',
    '/@x:80/',
    'query',
  ]) {
    it(`is refused when it is ${JSON.stringify(target)}`, () => {
      assert.equal(pathOf(target), undefined);
    });
  }

  it('means the same to whoever reads it: a URL parser changes nothing in what passes', () => {
    const piece = fc.constantFrom(
      '/',
      '.',
      '..',
      '%2e',
      '%2f',
      '\\',
      'a',
      'query',
      '-',
      ';',
      ':',
      '?',
      '#',
      '@',
      '//',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const target = `/${pieces.join('')}`;
        const path = pathOf(target);
        if (path === undefined) return;
        const url = new URL(`http://prometheus${target}`);
        assert.deepEqual([url.host, url.pathname], ['prometheus', path]);
      }),
      { numRuns: 3_000 },
    );
  });
});
