import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { guard } from './guarded.ts';

/** Nobody listens there. */
const AWAY = 'http://127.0.0.1:9';
const BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

describe('an error of the guarded port', () => {
  for (const [what, path, authorization, status, words] of [
    ['no password', '/query', null, 401, 'Log in to see this instance'],
    ['an unknown page', '/nothing', undefined, 404, 'There is no such page'],
    ['a Prometheus that is away', '/query', undefined, 502, 'Prometheus does not answer'],
  ] as const) {
    it(`is a page for a browser with ${what}, and a sentence for others`, async () => {
      await using guarded = await guard(AWAY);
      const options = authorization === null ? { authorization } : {};
      const page = await guarded.get(path, { headers: BROWSER, ...options });
      assert.deepEqual(
        [page.status, page.headers['content-type'], page.headers['vary']],
        [status, 'text/html; charset=utf-8', 'Accept'],
      );
      assert.ok(page.body.includes(`<h1>${words}</h1>`), page.body);
      const [, style = ''] = /<style>([^]*)<\/style>/.exec(page.body) ?? [];
      const hash = createHash('sha256').update(style).digest('base64');
      const policy = String(page.headers['content-security-policy']);
      assert.equal(policy, `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; frame-ancestors 'none'`);
      for (const accept of ['*/*', 'application/json']) {
        const sentence = await guarded.get(path, { headers: { accept }, ...options });
        assert.deepEqual([sentence.status, sentence.headers['content-type']], [status, 'text/plain; charset=utf-8']);
        assert.match(sentence.body, /^[A-Z][^<]*\.\n$/);
      }
    });
  }

  it('asks for the password with the page, and has no body for HEAD', async () => {
    await using guarded = await guard(AWAY);
    const page = await guarded.get('/', { headers: BROWSER, authorization: null });
    assert.match(String(page.headers['www-authenticate']), /^Basic realm="Prometheus"/);
    const head = await guarded.get('/nothing', { method: 'HEAD', headers: BROWSER });
    assert.deepEqual([head.status, head.body], [404, '']);
  });
});
