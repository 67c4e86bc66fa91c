import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { until } from '../../support/until.ts';
import { gone, guard, OBEDIENT, RIGHT, startUpstream } from './guarded.ts';

describe('what the gateway forwards', { concurrency: 4 }, () => {
  it('is the request with its own headers and none of the connection, the client or the password', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url);
    const form = 'query=up&time=1';
    const head = [
      'POST /api/v1/query?x=%2F..%2F HTTP/1.1',
      'Host: evil.example',
      `Authorization: ${RIGHT}`,
      'Accept-Encoding: gzip',
      'Content-Type: application/x-www-form-urlencoded',
      `Content-Length: ${form.length}`,
      'Connection: close, X-Private',
      'X-Private: 1',
      'X-Forwarded-For: 1.2.3.4',
      'X-Forwarded-Host: evil.example',
      'Forwarded: for=1.2.3.4',
      'Proxy-Authorization: Basic eDp5',
      'Keep-Alive: timeout=1',
      'TE: trailers',
      'Cookie: a=b',
      'Origin: https://evil.example',
    ];
    const answer = await guarded.speak(`${head.join('\r\n')}\r\n\r\n${form}`);
    assert.match(answer, /^HTTP\/1.1 200 OK\r\n/);
    const [seen] = upstream.seen;
    assert.ok(seen !== undefined);
    assert.deepEqual([seen.method, seen.url], ['POST', '/api/v1/query?x=%2F..%2F']);
    const expected: IncomingHttpHeaders = {
      'accept-encoding': 'gzip',
      'content-length': String(form.length),
      'content-type': 'application/x-www-form-urlencoded',
      host: new URL(upstream.url).host,
      connection: 'keep-alive',
    };
    assert.deepEqual(seen.headers, expected);
  });

  it('is answered with safe headers, and without those that describe the server', async () => {
    await using upstream = await startUpstream((_request, response) => {
      response.writeHead(200, {
        'content-type': 'text/html',
        'content-security-policy': 'default-src *',
        server: 'secret/1.0',
        'x-powered-by': 'secret',
        'access-control-allow-origin': '*',
        'set-cookie': 'a=b',
        etag: '"1"',
      });
      response.end('page');
    });
    await using guarded = await guard(upstream.url);
    for (const [path, policy] of [
      ['/query', /^default-src 'self'.*frame-ancestors 'none'/],
      ['/api/v1/query', /^default-src 'none'; frame-ancestors 'none'$/],
      ['/unknown', /^default-src 'none'; frame-ancestors 'none'$/],
    ] as const) {
      const { headers } = await guarded.get(path);
      assert.match(String(headers['content-security-policy']), policy);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['x-frame-options'], 'DENY');
      assert.equal(headers['referrer-policy'], 'no-referrer');
      for (const name of ['server', 'x-powered-by', 'access-control-allow-origin', 'set-cookie'])
        assert.equal(headers[name], undefined, name);
    }
    assert.equal((await guarded.get('/query')).headers['etag'], '"1"');
  });

  it('streams back: the first piece arrives before the last is sent', async () => {
    const go = Promise.withResolvers<undefined>();
    await using upstream = await startUpstream((_incoming, response) => {
      response.write('first');
      void go.promise.then(() => response.end('last'));
    });
    await using guarded = await guard(upstream.url);
    const answer = await request(`${guarded.url}/api/v1/query`, { headers: { authorization: RIGHT } });
    const pieces: string[] = [];
    for await (const piece of answer.body) {
      pieces.push(String(piece));
      go.resolve(undefined);
    }
    assert.deepEqual(pieces, ['first', 'last']);
  });

  it('has a body of known length, whole before it is forwarded', async () => {
    const bodies: string[] = [];
    await using upstream = await startUpstream((incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        bodies.push(Buffer.concat(chunks).toString());
        response.end('ok');
      });
    });
    await using guarded = await guard(upstream.url);
    const go = Promise.withResolvers<undefined>();
    async function* body(): AsyncGenerator<string> {
      yield 'query=';
      await go.promise;
      yield 'up';
    }
    const answer = request(`${guarded.url}/api/v1/query`, {
      method: 'POST',
      headers: { authorization: RIGHT },
      body: Readable.from(body()),
    });
    assert.equal((await guarded.get('/api/v1/query', { method: 'POST', body: '' })).status, 200);
    assert.equal(upstream.seen.length, 1);
    go.resolve(undefined);
    assert.equal((await answer).statusCode, 200);
    await (await answer).body.dump();
    assert.deepEqual(bodies, ['', 'query=up']);
    assert.deepEqual(
      upstream.seen.map(({ headers }) => [headers['content-length'], headers['transfer-encoding']]),
      [
        ['0', undefined],
        ['8', undefined],
      ],
    );
  });

  it('takes a body that waits to be asked for, and does not ask for one that it refuses', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { bodyBytes: 10 } });
    const head = (length: number, path: string): string =>
      `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;
    assert.match(
      await guarded.speak(`${head(8, '/api/v1/query')}query=up`),
      /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200/,
    );
    assert.match(await guarded.speak(head(11, '/api/v1/query')), /^HTTP\/1.1 413/);
    assert.match(await guarded.speak(head(8, '/api/v1/write')), /^HTTP\/1.1 404/);
    assert.equal(upstream.seen.length, 1);
  });

  it('ends with the client that leaves: a query is cancelled', async () => {
    await using upstream = await startUpstream(() => undefined);
    await using guarded = await guard(upstream.url);
    const leave = new AbortController();
    const leaving = guarded.get('/api/v1/query', { signal: leave.signal });
    const seen = await until('the query', () => upstream.seen[0]);
    const cancelled = gone(seen.socket);
    leave.abort();
    await assert.rejects(leaving);
    await cancelled;
    await until('its end', async () => (await guarded.metric('requests_total{kind="query",status="cut"}')) === 1);
    assert.equal(await guarded.metric('queries'), 0);
  });

  it('ends with the client that leaves in the middle of the answer', async () => {
    await using upstream = await startUpstream((_request, response) => {
      response.write('a piece');
    });
    await using guarded = await guard(upstream.url);
    const leave = new AbortController();
    const { body } = await request(`${guarded.url}/query`, { headers: { authorization: RIGHT }, signal: leave.signal });
    const [seen] = upstream.seen;
    assert.ok(seen !== undefined);
    const cancelled = gone(seen.socket);
    leave.abort();
    await assert.rejects(body.text());
    await cancelled;
  });

  it('fails in one plain sentence when Prometheus is down', async () => {
    const first = await startUpstream(OBEDIENT);
    const { url } = first;
    await first[Symbol.asyncDispose]();
    await using guarded = await guard(url);
    const { status, body, headers } = await guarded.get('/api/v1/query');
    assert.deepEqual(
      [status, body],
      [
        502,
        'Prometheus does not answer: it is starting, or it has ended. Try again in a moment; /tsuru/status says why.\n',
      ],
    );
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(await guarded.metric('requests_total{kind="query",status="502"}'), 1);
  });

  it('fails in one plain sentence when Prometheus hangs up or speaks no HTTP', async () => {
    await using upstream = await startUpstream((incoming, response) => {
      if (incoming.url === '/query') incoming.socket.destroy();
      else response.socket?.end('nonsense\r\n\r\n');
    });
    await using guarded = await guard(upstream.url);
    assert.equal((await guarded.get('/query')).status, 502);
    assert.equal((await guarded.get('/status')).status, 502);
  });

  it('is given up when Prometheus takes too long, and is cancelled there', async () => {
    await using upstream = await startUpstream(() => undefined);
    await using guarded = await guard(upstream.url, { limits: { answerMs: 300 } });
    const answer = guarded.get('/api/v1/query');
    const seen = await until('the query', () => upstream.seen[0]);
    const cancelled = gone(seen.socket);
    assert.deepEqual(
      [(await answer).status, (await answer).body],
      [504, 'Prometheus took too long to answer: ask for less.\n'],
    );
    await cancelled;
  });

  it('is visibly incomplete when Prometheus breaks off', async () => {
    await using upstream = await startUpstream((_request, response) => {
      response.write('a piece', () => response.destroy());
    });
    await using guarded = await guard(upstream.url);
    await assert.rejects(guarded.get('/query'));
  });

  it("passes Prometheus' own answers on, whatever their status", async () => {
    await using upstream = await startUpstream((_request, response) => {
      response.writeHead(422, { 'content-type': 'application/json' });
      response.end('{"status":"error"}');
    });
    await using guarded = await guard(upstream.url);
    const { status, body } = await guarded.get('/api/v1/query?query=x');
    assert.deepEqual([status, body], [422, '{"status":"error"}']);
  });

  it('may be a stream of events, which begins at once and is no query, and of which there are a few', async () => {
    await using upstream = await startUpstream((incoming, response) => {
      if (incoming.url !== '/api/v1/notifications/live') return void response.end('ok');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
    });
    await using guarded = await guard(upstream.url, { limits: { queriesAtOnce: 1, liveStreams: 2 } });
    const open = (): ReturnType<typeof request> =>
      request(`${guarded.url}/api/v1/notifications/live`, { headers: { authorization: RIGHT } });
    const first = await open();
    const second = await open();
    assert.deepEqual([first.statusCode, second.statusCode], [200, 200]);
    assert.equal((await guarded.get('/api/v1/query')).status, 200);
    const third = await open();
    assert.equal(third.statusCode, 429);
    await third.body.dump();
    first.body.on('error', () => undefined);
    first.body.destroy();
    await until('a place', async () => {
      const again = await open();
      again.body.on('error', () => undefined);
      again.body.destroy();
      return again.statusCode === 200;
    });
    second.body.on('error', () => undefined);
    second.body.destroy();
  });

  it('has a grace period to end when the gateway closes', async () => {
    const go = Promise.withResolvers<undefined>();
    await using upstream = await startUpstream((_request, response) => {
      void go.promise.then(() => response.end('late'));
    });
    const guarded = await guard(upstream.url);
    const answer = guarded.get('/api/v1/query');
    await until('the query', () => upstream.seen[0]);
    const closed = guarded.close();
    go.resolve(undefined);
    const { body, headers } = await answer;
    assert.equal(body, 'late');
    assert.equal(headers['connection'], 'close');
    await closed;
    await assert.rejects(guarded.get('/-/healthy'));
  });
});
