import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { destinationOf, placeOf, placeText, relabel, urlOf } from '../../../agent/redirects/place.ts';

describe('the Location of a redirect', () => {
  const HERE = 'http://10.1.2.3:8888/metrics?a=b';
  const places: readonly (readonly [location: string, place: string, asked?: string])[] = [
    ['/metrics/', '/metrics/'],
    ['/metrics/?format=text', '/metrics/?format=text'],
    ['metrics/', '/metrics/'],
    ['./', '/'],
    ['?c=d', '/metrics?c=d'],
    ['http://10.1.2.3:8888/metrics/', '/metrics/'],
    ['http://10.1.2.3:8888', '/'],
    ['//10.1.2.3:8888/metrics/', '/metrics/'],
    ['HTTP://10.1.2.3:8888/Metrics/', '/Metrics/'],
    ['http://10.1.2.3.:8888/metrics/', '/metrics/'],
    ['http://167838211:8888/metrics/', '/metrics/'],
    ['/metrics/#top', '/metrics/'],
    ['/a/../metrics/', '/metrics/'],
    ['/with%20space/%C3%A9', '/with space/é'],
    ['/a%25b', '/a%b'],
    ['http://10.1.2.3/metrics/', '/metrics/', 'http://10.1.2.3/metrics'],
    ['http://10.1.2.3:80/metrics/', '/metrics/', 'http://10.1.2.3/metrics'],
    ['https://10.1.2.3:443/metrics/', '/metrics/', 'https://10.1.2.3/metrics'],
    ['http://[FD00::1]:8888/metrics/', '/metrics/', 'http://[fd00:0::1]:8888/metrics'],
    ['http://APP.example.com:8888/metrics/', '/metrics/', 'http://app.example.com:8888/metrics'],
    [`/${'x'.repeat(999)}`, `/${'x'.repeat(999)}`],
  ];
  for (const [location, place, asked = HERE] of places) {
    it(`at the same address is a path: ${location.slice(0, 60)}`, () => {
      const destination = destinationOf(new URL(asked), location);
      assert.ok(destination.kind === 'place', JSON.stringify(destination));
      assert.equal(placeText(destination.place).replaceAll('%2B', '+'), place);
    });
  }

  const refused: readonly (readonly [location: string | undefined, why: RegExp, asked?: string])[] = [
    [undefined, /no Location/],
    ['', /no Location/],
    ['http://127.0.0.1:8888/metrics/', /http:\/\/127\.0\.0\.1:8888\/metrics\/ has another scheme, host or port/],
    ['http://10.1.2.3:9090/-/quit', /has another scheme, host or port/],
    ['http://10.1.2.3/metrics/', /has another scheme, host or port/],
    ['https://10.1.2.3:8888/metrics/', /has another scheme, host or port/],
    ['//other-host/metrics/', /http:\/\/other-host\/metrics\/ has another/],
    ['///other-host/metrics/', /has another/],
    ['http://user:pw@10.1.2.3:8888/metrics/', /has a user or a password/],
    ['//user@10.1.2.3:8888/', /has a user or a password/],
    ['http://app.example.com.:8888/', /has another/, 'http://app.example.com:8888/metrics'],
    ['http://[::ffff:10.1.2.3]:8888/', /has another/],
    ['http://[::1]:8888/', /has another/],
    ['http://0.0.0.0:8888/', /has another/],
    ['ftp://10.1.2.3:8888/', /has another/],
    ['javascript:alert(1)', /has another/],
    ['file:///etc/passwd', /has another/],
    ['http://', /is no URL/],
    ['http://[::1', /is no URL/],
    ['http://10.1.2.3:99999/', /is no URL/],
    ['/\\other-host/', /characters that a URL cannot have/],
    ['/metrics\r\nx: y', /characters that a URL cannot have/],
    ['/me\u0000trics', /characters that a URL cannot have/],
    ['/m\u00e9trics', /characters that a URL cannot have/],
    ['/met rics', /characters that a URL cannot have/],
    [`/${'x'.repeat(1_000)}`, /more than 1000 characters/],
    ['/a%2fb', /cannot ask for the path/],
    ['/a%00b', /cannot ask for the path/],
    ['/a%ffb', /cannot ask for the path/],
    ['/metrics/?match[]=a', /cannot send the parameters/],
    ['/metrics/?a=1&a=2', /cannot send the parameters/],
    ['/metrics/?a=', /cannot send the parameters/],
    ['/metrics/?a=%0a', /cannot send the parameters/],
  ];
  for (const [location, why, asked = HERE] of refused) {
    it(`is refused: ${JSON.stringify(location ?? 'none').slice(0, 60)}`, () => {
      const destination = destinationOf(new URL(asked), location);
      assert.ok(destination.kind === 'refused', JSON.stringify(destination));
      assert.match(destination.why, why);
    });
  }

  it('is quoted without its query, its user and its password, and cut', () => {
    const secrets = `http://elsewhere/${'x'.repeat(900)}?token=secret`;
    const destination = destinationOf(new URL(HERE), secrets);
    assert.ok(destination.kind === 'refused');
    assert.ok(destination.why.length < 200 && !destination.why.includes('secret'));
    assert.ok(!JSON.stringify(destinationOf(new URL(HERE), 'http://me:secret@elsewhere/')).includes('secret'));
  });
});

describe('the place of a target', () => {
  it('is asked as Prometheus asks it', () => {
    const labels = { __address__: '[fd00::1]:80', __scheme__: 'https', __metrics_path__: '/a b/50%?', __param_x: 'é&' };
    assert.equal(urlOf(labels)?.href, 'https://[fd00::1]:80/a%20b/50%25%3F?x=%C3%A9%26');
    assert.equal(urlOf({ __address__: '10.1.2.3:8888' })?.href, 'http://10.1.2.3:8888/metrics');
    assert.equal(urlOf({ __address__: '' }), undefined);
    assert.equal(urlOf({}), undefined);
  });

  it('is replaced whole, and nothing else of its labels', () => {
    const labels = { __metrics_path__: '/old', __param_old: '1', __scheme__: 'https', job: 'a' };
    const now = relabel(labels, { path: '/metrics', query: { format: 'text' } });
    assert.deepEqual(now, { __scheme__: 'https', job: 'a', __metrics_path__: '/metrics', __param_format: 'text' });
    assert.deepEqual(placeOf(now), { path: '/metrics', query: { format: 'text' } });
  });
});
