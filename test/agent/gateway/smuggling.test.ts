import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../../support/until.ts';
import { guard, OBEDIENT, RIGHT, startUpstream } from './guarded.ts';

const END = '\r\nConnection: close\r\n\r\n';
const WITH_PASSWORD = `Host: x\r\nAuthorization: ${RIGHT}`;
const HIDDEN = 'POST /-/quit HTTP/1.1\r\nHost: x\r\n\r\n';

/** Requests that two readers could understand in two ways, and what is answered. */
const REFUSED: readonly (readonly [what: string, bytes: string, status: number])[] = [
  ['an encoded way out', `GET /static/%2e%2e/-/quit HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['a plain way out', `GET /static/../-/quit HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['an empty segment before what is hidden', `POST //-/quit HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 404],
  ['an empty segment within what is hidden', `POST /-//quit HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 404],
  ['an empty segment and no password', `GET //query HTTP/1.1\r\nHost: x${END}`, 401],
  ['a host where a path belongs', `GET //127.0.0.1:9090/query HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['a host without a port where a path belongs', `GET //example.com/query HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 404],
  ['a way out of a label', `GET /api/v1/label/%2e%2e%2f%2e%2e/values HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
  ['a label that can be read twice', `GET /api/v1/label/%252e%252e/values HTTP/1.1\r\n${WITH_PASSWORD}${END}`, 400],
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
    'an upgrade to HTTP/2 or more',
    `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\nUpgrade: h2c, websocket\r\nConnection: Upgrade\r\n\r\n`,
    400,
  ],
  [
    'two upgrades',
    `GET /query HTTP/1.1\r\n${WITH_PASSWORD}\r\nUpgrade: h2c\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n`,
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

  for (const upgrade of ['h2c', 'H2C', 'TLS/1.2', 'h2c, TLS/1.2', 'HTTP/2.0']) {
    it(`answers in HTTP/1.1 a request that offers ${upgrade}, and forwards nothing of the offer`, async () => {
      await using upstream = await startUpstream(OBEDIENT);
      await using guarded = await guard(upstream.url);
      const offer = `${WITH_PASSWORD}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: ${upgrade}\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA`;
      const body = 'query=up';
      const form = `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}`;
      const last = `GET /query HTTP/1.1\r\n${offer.replace('Connection: ', 'Connection: close, ')}\r\n\r\n`;
      const { socket, answer } = await guarded.send(`GET /query HTTP/1.1\r\n${offer}\r\n\r\n`);
      await until('the first answer', () => socket.bytesRead > 0);
      const { bytesRead } = socket;
      socket.write(`POST /api/v1/query HTTP/1.1\r\n${offer}\r\n${form}\r\n\r\n${body}`);
      await until('the second answer', () => socket.bytesRead > bytesRead);
      socket.write(last);
      assert.deepEqual((await answer).match(/HTTP\/1\.1 \d+/g), Array<string>(3).fill('HTTP/1.1 200'));
      for (const { headers } of upstream.seen) {
        assert.deepEqual(
          Object.keys(headers).filter((name) => /upgrade|http2/.test(name)),
          [],
        );
        assert.doesNotMatch(headers.connection ?? '', /upgrade|http2/i);
      }
      assert.equal(upstream.seen[1]?.headers['content-length'], String(body.length));
    });
  }

  it('takes bytes that are no ASCII in a first line, in pieces and after a body of such bytes, and nowhere else', async () => {
    await using upstream = await startUpstream((incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => response.end(Buffer.concat(chunks)));
    });
    await using guarded = await guard(upstream.url);
    // As latin1, which is what is sent of it.
    const raw = Buffer.from('é日').toString('latin1');
    const { socket, answer } = await guarded.send(`GET /api/v1/query?query=${raw.slice(0, 1)}`);
    const write = (text: string): boolean => socket.write(text, 'latin1');
    write(raw.slice(1));
    await new Promise(setImmediate);
    write(`&a=1 HTTP/1.1\r\n${WITH_PASSWORD}\r\n\r\n`);
    await until('the first answer', () => socket.bytesRead > 0);
    let { bytesRead } = socket;
    write(
      `POST /api/v1/query?b=${raw} HTTP/1.1\r\n${WITH_PASSWORD}\r\nContent-Length: ${raw.length * 2}\r\n\r\n${raw}`,
    );
    await until('the second request', () => upstream.seen.length === 1);
    write(raw);
    await until('the second answer', () => socket.bytesRead > bytesRead);
    ({ bytesRead } = socket);
    write(`GET /api/v1/label/${raw}/values HTTP/1.1\r\n${WITH_PASSWORD}\r\n\r\n`);
    await until('the third answer', () => socket.bytesRead > bytesRead);
    write(`GET /${raw} HTTP/1.1\r\n${WITH_PASSWORD}\r\n\r\n`);
    const answers = await answer;
    assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), [...Array<string>(3).fill('HTTP/1.1 200'), 'HTTP/1.1 400']);
    assert.ok(answers.includes(raw + raw));
    assert.deepEqual(
      upstream.seen.map(({ url }) => url),
      [
        '/api/v1/query?query=%c3%a9%e6%97%a5&a=1',
        '/api/v1/query?b=%c3%a9%e6%97%a5',
        '/api/v1/label/%C3%A9%E6%97%A5/values',
      ],
    );
  });

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
