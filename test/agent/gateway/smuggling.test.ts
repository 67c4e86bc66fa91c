import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { guard, OBEDIENT, RIGHT, startUpstream } from './guarded.ts';

const END = '\r\nConnection: close\r\n\r\n';
const WITH_PASSWORD = `Host: x\r\nAuthorization: ${RIGHT}`;
const HIDDEN = 'POST /-/quit HTTP/1.1\r\nHost: x\r\n\r\n';

/** Requests that two readers could understand in two ways, and what is answered. */
const REFUSED: readonly (readonly [what: string, bytes: string, status: number])[] = [
  ['an encoded way out', `GET /static/%2e%2e/-/quit HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['a plain way out', `GET /static/../-/quit HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['an empty segment', `POST //-/quit HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['an encoded slash', `GET /static%2f..%2f-/quit HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['backslashes', `GET /static\\..\\-\\quit HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['a whole address', `GET http://127.0.0.1:9090/query HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['another host as address', `GET http://evil.example/ HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['an asterisk', `OPTIONS * HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['a fragment', `GET /query#x HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['CONNECT', `CONNECT 127.0.0.1:9090 HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 405],
  ['TRACE', `TRACE /query HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 405],
  ['PUT', `PUT /api/v1/series HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 405],
  ['an unknown method', `QUIT /query HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['an upgrade', `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`, 400],
  [
    'an upgrade to HTTP/2',
    `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n`,
    400,
  ],
  ['HTTP/2 without asking', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['no host', `GET /query HTTP/1.1\r\nAuthorization: ${RIGHT}${END}`, 400],
  ['two hosts', `GET /query HTTP/1.1\r\nHost: y\r\n${WITH_PASSWORD}${END}`, 400],
  ['two passwords', `GET /query HTTP/1.1\r\nAuthorization: Basic eDp5\r\n${WITH_PASSWORD}${END}`, 400],
  [
    'two lengths',
    `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nContent-Length: 0\r\nContent-Length: ${HIDDEN.length}${END}${HIDDEN}`,
    400,
  ],
  [
    'two equal lengths',
    `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nContent-Length: 2\r\nContent-Length: 2${END}ab`,
    400,
  ],
  ['two lengths in one', `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nContent-Length: 2, 2${END}ab`, 400],
  ['a length that is none', `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nContent-Length: +2${END}ab`, 400],
  ['a negative length', `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nContent-Length: -1${END}ab`, 400],
  [
    'a length and chunks',
    `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked${END}0\r\n\r\n${HIDDEN}`,
    400,
  ],
  [
    'chunks and a length',
    `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nTransfer-Encoding: chunked\r\nContent-Length: 5${END}0\r\n\r\n${HIDDEN}`,
    400,
  ],
  [
    'chunks that are not the last coding',
    `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nTransfer-Encoding: chunked, identity${END}0\r\n\r\n`,
    400,
  ],
  [
    'two codings',
    `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked${END}0\r\n\r\n`,
    400,
  ],
  [
    'an odd coding',
    `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nTransfer-Encoding: xchunked${END}0\r\n\r\n`,
    400,
  ],
  ['a space before the colon', `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nContent-Length : 5${END}abcde`, 400],
  ['a folded header', `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\nX-A: b\r\n Content-Length: 5${END}`, 400],
  ['a lonely carriage return', `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\nX-A: b\rContent-Length: 5${END}`, 400],
  ['a zero byte in a header', `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\nUser-Agent: a\0b${END}`, 400],
  ['a header without a name', `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\n: b${END}`, 400],
  ['a line break in the target', `GET /query?a=\r\nX-Injected: 1 HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  [
    'a body where none belongs',
    `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\nContent-Length: ${HIDDEN.length}${END}${HIDDEN}`,
    400,
  ],
  [
    'chunks where none belong',
    `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\nTransfer-Encoding: chunked${END}0\r\n\r\n`,
    400,
  ],
  [
    'an unknown expectation',
    `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nExpect: nothing\r\nContent-Length: 2${END}ab`,
    400,
  ],
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['the oldest HTTP', 'GET /query\r\n\r\n', 400],
];

describe('the gateway reads a request in one way only', { concurrency: 8 }, () => {
  for (const [what, bytes, status] of REFUSED) {
    it(`refuses ${what}, and forwards nothing`, async () => {
      await using upstream = await startUpstream(OBEDIENT);
      await using guarded = await guard(upstream.url);
      const answer = await guarded.speak(bytes);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1, answer);
      assert.match(answer, /\r\nx-content-type-options: nosniff\r\n/i);
      assert.deepEqual(upstream.seen, []);
    });
  }

  it('takes a body in chunks for one, and nothing after it', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url);
    const chunked = `POST /api/v1/query HTTP/1.1\r\n${WITH_PASSWORD}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const hidden = `POST /-/quit HTTP/1.1\r\nHost: x${END}`;
    const answer = await guarded.speak(`${chunked}2\r\nab\r\n0\r\n\r\n${hidden}`);
    assert.match(answer, /^HTTP\/1.1 200/);
    assert.deepEqual(
      upstream.seen.map(({ url }) => url),
      ['/api/v1/query'],
    );
  });

  it('takes one request at a time on a connection, many in a row', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url);
    const one = `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\n\r\n`;
    const answer = await guarded.speak(one.repeat(20));
    assert.equal(upstream.seen.length, 1);
    assert.match(answer, /^HTTP\/1.1 200[^]*HTTP\/1.1 400/);
    assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 2);
    for (let n = 0; n < 200; n++) assert.equal((await guarded.get('/query')).status, 200);
  });

  it('hides nothing in the body of a request that it refuses', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { wrongPasswordMs: 1 } });
    const hidden = `GET /query HTTP/1.1\r\n${WITH_PASSWORD}${END}`;
    for (const head of ['POST /api/v1/write HTTP/1.1\r\nHost: x', `POST /api/v1/write HTTP/1.1\r\n${WITH_PASSWORD}`]) {
      const answer = await guarded.speak(`${head}\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`);
      assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1, answer);
    }
    assert.equal(upstream.seen.length, 0);
  });
});
