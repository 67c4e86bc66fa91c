import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Target } from '../../agent/discovery/discover.ts';
import { remediesFor } from '../../agent/report/scrape-remedies.ts';
import { unit } from '../support/known-apps.ts';

type Health = { readonly health: 'up' | 'down'; readonly lastError: string } | undefined;

function remedies(errors: readonly (string | undefined)[], guessedPort = false): readonly string[] {
  const targets = errors.map((_, index): Target => ({
    unit: unit(String(index)),
    address: '10.0.0.1:8888',
    guessedPort,
    group: { targets: [], labels: {} },
  }));
  const health = (target: Target): Health => {
    const error = errors[Number(target.unit.name)];
    return error === undefined ? { health: 'up', lastError: '' } : { health: 'down', lastError: error };
  };
  return remediesFor('my-app', targets, (target) => {
    const known = health(target);
    return known === undefined ? undefined : { ...known, lastScrape: '', pool: '', discovered: {} };
  });
}

const SET = 'tsuru metadata set -a my-app -p web -t annotation prometheus.io';

/** Errors of Prometheus 2.42 and 3.14, and what the app's owner reads behind "1 target of the process web is down: ". */
const TABLE: readonly (readonly [error: string, remedy: RegExp])[] = [
  ['server returned HTTP status 401 Unauthorized', /asks for credentials.+prometheus\.io\/port=PORT/],
  ['server returned HTTP status 403 Forbidden', /asks for credentials/],
  ['server returned HTTP status 400 Bad Request', /its unit's address as Host .+allow that in the app/],
  ['server returned HTTP status 421 Misdirected Request', /as Host/],
  ['server returned HTTP status 404 Not Found', new RegExp(`no metrics at this path.+${SET}/path=/PATH --no-restart`)],
  ['server returned HTTP status 500 Internal Server Error', /see "tsuru app-log -a my-app"/],
  [
    'Get "https://10.0.0.1:8888/metrics": http: server gave HTTP response to HTTPS client',
    /plain HTTP: .+prometheus\.io\/scheme=http /,
  ],
  [
    'Get "http://10.0.0.1:8888/metrics": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\\x15\\x03"',
    /prometheus\.io\/scheme=https/,
  ],
  [
    'Get "https://10.0.0.1:8888/metrics": tls: failed to verify certificate: x509: certificate signed by unknown authority',
    /CA_CERTIFICATES, or serve metrics as plain HTTP .+port=PORT/,
  ],
  [
    'Get "https://10.0.0.1:8888/metrics": x509: cannot validate certificate for 10.0.0.1 because it doesn\'t contain any IP SANs',
    /cannot verify its certificate for this address.+port=PORT/,
  ],
  ['Get "http://10.0.0.1:8888/metrics": remote error: tls: bad record MAC', /speaks TLS.+scheme=https/],
  [
    'received unsupported Content-Type "text/html" and no fallback_scrape_protocol specified for target',
    /no metrics \(a page, or a wrong Content-Type\)/,
  ],
  ['expected a valid start token, got "<" ("INVALID") while parsing: "<"', /no metrics/],
  ['body size limit exceeded', /body_size_limit/],
  ['sample limit exceeded', /samples_per_scrape/],
  ['target_limit exceeded (number of targets: 2, limit: 1)', /ask an administrator to raise/],
  ['label_limit exceeded (metric: x, number of labels: 3, limit: 2)', /ask an administrator to raise/],
  ['Get "http://10.0.0.1:8888/metrics": context deadline exceeded', /interval=1m .+timeout=30s/],
  ['Get "http://10.0.0.1:8888/metrics": dial tcp 10.0.0.1:8888: connect: no route to host', /network policy/],
  [
    'Get "http://10.0.0.1:8888/metrics": dial tcp 10.0.0.1:8888: connect: connection refused',
    /nothing listens.+port=PORT/,
  ],
];

describe('what to do about a target that is down', () => {
  for (const [error, remedy] of TABLE) {
    it(error, () => {
      const [sentence = '', ...others] = remedies([error]);
      assert.match(sentence, /^1 target of the process web is down: /);
      assert.match(sentence, remedy);
      assert.deepEqual(others, []);
    });
  }

  it('counts the targets of each cause, and ignores those that are up or fail otherwise', () => {
    const refused = 'dial tcp: connect: connection refused';
    const told = remedies(['server returned HTTP status 401 Unauthorized', refused, undefined, refused, 'EOF']);
    assert.equal(told.length, 2);
    assert.match(told[0] ?? '', /^1 target of the process web is down: it asks/);
    assert.match(told[1] ?? '', /^2 targets of the process web are down: nothing listens/);
    assert.deepEqual(remedies([undefined, 'server returned HTTP status 307 Temporary Redirect']), []);
  });

  it('leaves out a process that listens on nothing at Tsuru’s default port', () => {
    const refused = 'dial tcp: connect: connection refused';
    assert.match(remedies([refused, refused], true)[0] ?? '', new RegExp(`leave it out with: ${SET}/scrape=false`));
    assert.match(remedies([refused, undefined], true)[0] ?? '', /port=PORT/, 'one of them answers');
  });
});
