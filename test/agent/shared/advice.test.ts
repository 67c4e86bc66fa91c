import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { plainAdvice, redirectAdvice, tlsAdvice } from '../../../agent/shared/advice.ts';

const LIST = '/1.0/apps?extended=true';
const OTHERS = 'set TSURU_HOST to the address of its API';

describe("a redirect of Tsuru's", () => {
  for (const [tsuru, location, advice] of [
    ['http://tsuru.example.com', `https://tsuru.example.com${LIST}`, 'set TSURU_HOST to https://tsuru.example.com'],
    [
      'http://tsuru.example.com:8080',
      `https://tsuru.example.com${LIST}`,
      'set TSURU_HOST to https://tsuru.example.com',
    ],
    ['http://tsuru.example.com', 'https://tsuru.example.com/1.0/apps', 'set TSURU_HOST to https://tsuru.example.com'],
    ['http://tsuru.example.com', `https://tsuru.example.com:443${LIST}`, 'set TSURU_HOST to https://tsuru.example.com'],
    [
      'http://tsuru.example.com',
      `https://tsuru.example.com:8443${LIST}`,
      'set TSURU_HOST to https://tsuru.example.com:8443',
    ],
    ['http://tsuru.example.com', `//other.example.com${LIST}`, 'set TSURU_HOST to http://other.example.com'],
    ['http://tsuru.example.com', 'https://tsuru.example.com/', 'set TSURU_HOST to https://tsuru.example.com'],
    ['http://[::1]:1', `https://[::1]:2${LIST}`, 'set TSURU_HOST to https://[::1]:2'],
    ['https://a.example.com', `https://b.example.com${LIST}`, 'set TSURU_HOST to https://b.example.com'],
    [
      'http://a.example.com/tsuru',
      `https://a.example.com/tsuru${LIST}`,
      'set TSURU_HOST to https://a.example.com/tsuru',
    ],
    ['http://a.example.com/tsuru/', `https://b.example.com/api${LIST}`, 'set TSURU_HOST to https://b.example.com/api'],
    ['http://a.example.com', `/tsuru${LIST}`, 'set TSURU_HOST to http://a.example.com/tsuru'],
    ['http://a.example.com', `https://user:secret@a.example.com${LIST}`, 'set TSURU_HOST to https://a.example.com'],
    ['https://a.example.com', '/login?next=%2F1.0', `it leads to https://a.example.com/login: ${OTHERS}`],
    [
      'https://a.example.com',
      'https://sso.example.com/login?token=secret',
      `it leads to https://sso.example.com/login: ${OTHERS}`,
    ],
    ['https://a.example.com', '/1.0/apps', `it leads to https://a.example.com/1.0/apps: ${OTHERS}`],
    [
      'https://a.example.com',
      `http://a.example.com${LIST}`,
      'it leads from https:// to http://a.example.com/1.0/apps, which would show the token to everybody on the way: correct its proxy',
    ],
    ['http://a.example.com', 'ftp://a.example.com/', OTHERS],
    ['http://a.example.com', 'http://', OTHERS],
    ['http://a.example.com', undefined, OTHERS],
  ] as const) {
    it(`from ${tsuru} to ${String(location)} is reported with what to do`, () => {
      assert.equal(redirectAdvice(new URL(tsuru), LIST, location), advice);
    });
  }
});

describe('a connection to Tsuru that does not fit', () => {
  it('is reported with the address that fits', () => {
    const http = new URL('http://tsuru.example.com:8443/api/');
    const advice = 'set TSURU_HOST to https://tsuru.example.com:8443/api';
    assert.equal(plainAdvice(http, 400, 'Client sent an HTTP request to an HTTPS server.'), advice);
    assert.equal(plainAdvice(http, 400, '<h1>The plain HTTP request was sent to HTTPS port</h1>'), advice);
    assert.equal(plainAdvice(http, 400, 'invalid name'), undefined);
    assert.equal(plainAdvice(new URL('https://a'), 400, 'Client sent an HTTP request to an HTTPS server.'), undefined);
    const https = new URL('https://tsuru.example.com:8080');
    assert.match(tlsAdvice(https, 'ERR_SSL_WRONG_VERSION_NUMBER') ?? '', /or to http:\/\/tsuru\.example\.com:8080$/);
    assert.match(tlsAdvice(https, 'SELF_SIGNED_CERT_IN_CHAIN') ?? '', /^set CA_CERTIFICATES/);
    assert.equal(tlsAdvice(https, 'ECONNREFUSED'), undefined);
    assert.equal(tlsAdvice(https, undefined), undefined);
  });
});
