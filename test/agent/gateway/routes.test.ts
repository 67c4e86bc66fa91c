import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { routeOf } from '../../../agent/gateway/routes.ts';
import { targetOf } from '../../../agent/gateway/request-path.ts';

describe('the routes of the gateway', () => {
  for (const [path, kind] of [
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
    ['/api/v1/label/host.name/values', 'query'],
    ['/api/v1/label/caf%C3%A9/values', 'query'],
    ['/federate', 'query'],
    ['/api/v1/notifications/live', 'live'],
    ['/', 'agent'],
    ['/metrics', 'agent'],
    ['/tsuru/status', 'agent'],
    ['/tsuru/page.css', 'agent'],
    ['/tsuru/grafana/datasource.yaml', 'agent'],
    ['/tsuru/grafana/app.json', 'agent'],
    ['/-/ready', 'health'],
  ] as const) {
    it(`have ${path} as ${kind}, with GET and HEAD`, () => {
      assert.deepEqual(routeOf('GET', path), { found: true, kind });
      assert.deepEqual(routeOf('HEAD', path), { found: true, kind });
    });
  }

  it('take POST for queries only, and no other method', () => {
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
    '/healthz',
    '/consoles/prometheus.html',
    '/user/file',
    '/api/v1/query/',
    '/api/v1/label//values',
    '/api/v1/label/values',
    '/api/v1/label/./values',
    '/api/v1/label/../values',
    '/api/v1/label/a%2Fb/values',
    '/api/v1/label/a/b/values',
    '/api/v1/LABELS',
    '/static/',
    '/tsuru/grafana/',
    '/unknown',
    'toString',
  ]) {
    it(`have no ${path}`, () => {
      for (const method of ['GET', 'POST', 'PUT', 'HEAD'])
        assert.deepEqual(routeOf(method, path), { found: false, allowed: [] }, method);
    });
  }
});

describe('the target of a request', () => {
  const pathOf = (target: string): string | undefined => targetOf(target)?.path;

  it('is a plain path with any visible query', () => {
    assert.equal(pathOf('/api/v1/query?query=up{job="x"}|%C3%BC&a=b?c/../d'), '/api/v1/query');
    assert.equal(pathOf('/'), '/');
    assert.equal(pathOf('/classic/'), '/classic/');
    assert.equal(pathOf('/assets/a.b-c_d.min.js'), '/assets/a.b-c_d.min.js');
  });

  for (const [name, spelled] of [
    ['job', 'job'],
    ['host.name', 'host.name'],
    ['host%2Ename', 'host.name'],
    ['host%2ename', 'host.name'],
    ['U__host_2e_name', 'U__host_2e_name'],
    ['caf%C3%A9', 'caf%C3%A9'],
    ['caf%c3%a9', 'caf%C3%A9'],
    ['%e6%97%a5%E6%9C%AC', '%E6%97%A5%E6%9C%AC'],
    ['a%20b', 'a%20b'],
    ['a:b+c;d', 'a%3Ab%2Bc%3Bd'],
    ['100%25', '100%25'],
    ['...', '...'],
  ] as const) {
    it(`may name the label ${name}, which has one spelling from there on`, () => {
      const target = targetOf(`/api/v1/label/${name}/values?limit=1`);
      assert.deepEqual(target, {
        path: `/api/v1/label/${spelled}/values`,
        forwarded: `/api/v1/label/${spelled}/values?limit=1`,
        redirect: undefined,
      });
      assert.deepEqual(routeOf('GET', target.path), { found: true, kind: 'query' });
    });
  }

  for (const name of [
    '.',
    '..',
    '%2e',
    '%2E%2e',
    'a%2Fb',
    'a%2fb',
    '..%2f..',
    '%252e%252e',
    'a%252fb',
    '%',
    '%zz',
    '%ff',
    'caf\xe9',
    '\xff',
  ])
    it(`is refused when it names the label ${JSON.stringify(name)}`, () => {
      assert.equal(targetOf(`/api/v1/label/${name}/values`), undefined);
    });

  for (const [target, path] of [
    ['//api/v1/query?query=up', '/api/v1/query'],
    ['///api//v1/query?query=//', '/api/v1/query'],
    ['//', '/'],
    ['//example.com/query', '/example.com/query'],
    ['//-/quit', '/-/quit'],
    ['/static//x', '/static/x'],
    ['//api//v1/label//host.name//values', '/api/v1/label/host.name/values'],
    ['/api/v1/label//values', '/api/v1/label/values'],
  ] as const) {
    it(`is looked up without empty segments when it is ${target}, and leads there`, () => {
      const query = target.includes('?') ? target.slice(target.indexOf('?')) : '';
      assert.deepEqual(targetOf(target), { path, forwarded: target, redirect: path + query });
    });
  }

  for (const target of [
    '',
    '*',
    'http://127.0.0.1:9090/-/quit',
    '/static/../-/quit',
    '/static/./x',
    '/static/..',
    '//../-/quit',
    '/static/%2e%2e/-/quit',
    '/static/%2E%2E%2f-/quit',
    '/static%2f..%2f-/quit',
    '/static\\..\\-\\quit',
    '/static/..;/-/quit',
    '/-/quit%00',
    '/api/v1/label/../values',
    '/api/v1/label/a/../../values',
    '/api/v1/%6cabel/job/values',
    '/api/v1/label/job/v%61lues',
    '/api/v1/label/job/values/%2e',
    '/query#fragment',
    '/query?a#b',
    '/query?a b',
    '/query?a\x7f',
    '/query?a\u00ff',
    '/quéry',
    '/@x:80/',
    'query',
  ]) {
    it(`is refused when it is ${JSON.stringify(target)}`, () => {
      assert.equal(targetOf(target), undefined);
    });
  }

  it('is unambiguous: a URL parser changes nothing in what is forwarded', () => {
    const piece = fc.constantFrom(
      ...[
        '/',
        '.',
        '..',
        '%2e',
        '%2f',
        '%252f',
        '%25',
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
        '\xc3\xa9',
      ],
      ...['/api/v1/label/', '/values'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const target = targetOf(`/${pieces.join('')}`);
        if (target === undefined) return;
        const [path = ''] = target.forwarded.split('?');
        assert.equal(path.replace(/\/+/g, '/'), target.path);
        assert.equal(target.redirect !== undefined, path !== target.path);
        const url = new URL(`http://prometheus${target.path}${target.forwarded.slice(path.length)}`);
        assert.deepEqual([url.host, url.pathname], ['prometheus', target.path]);
        const again = targetOf(target.forwarded);
        assert.deepEqual(again, target);
      }),
      { numRuns: 5_000 },
    );
  });
});
