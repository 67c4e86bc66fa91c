import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../support/until.ts';
import { basic, gone, guard, OBEDIENT, RIGHT, startUpstream, type Guarded } from './guarded.ts';

describe('the limits of the gateway', { concurrency: 4 }, () => {
  it('refuse a body that is said to be too large, and one that turns out to be', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { bodyBytes: 1_000 } });
    const body = 'x'.repeat(1_001);
    const said = await guarded.get('/api/v1/query', { method: 'POST', body });
    assert.deepEqual([said.status, said.body], [413, 'The body of the request is too large.\n']);
    assert.equal(upstream.seen.length, 0);
    const head = `POST /api/v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    assert.match(await guarded.speak(`${head}3e9\r\n${body}\r\n0\r\n\r\n`), /^HTTP\/1.1 413/);
    assert.equal((await guarded.get('/api/v1/query', { method: 'POST', body: body.slice(1) })).status, 200);
    await until('no query', async () => (await guarded.metric('queries')) === 0);
  });

  it('refuse headers that are too large', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url);
    const answer = await guarded.speak(`GET /query?${'x'.repeat(40_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match(answer, /^HTTP\/1.1 431 [^]*send a long query with POST/);
    assert.equal(await guarded.metric('refused_total{reason="headers_too_large"}'), 1);
    assert.equal((await guarded.get(`/api/v1/query?query=${'x'.repeat(20_000)}`)).status, 200);
  });

  it('end connections that bring no request, half a head, or half a body', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { headersMs: 300, requestMs: 900 } });
    const head = `POST /api/v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\nContent-Length: 100\r\n\r\n`;
    const [nothing, halfHead, halfBody] = await Promise.all([
      guarded.speak(''),
      guarded.speak('GET /query HTTP/1.1\r\nHost: '),
      guarded.speak(`${head}query=`),
    ]);
    assert.match(nothing, /^(HTTP\/1.1 408 |$)/);
    assert.match(halfHead, /^HTTP\/1.1 408 /);
    assert.match(halfBody, /^HTTP\/1.1 408 /);
    await until('no query', async () => (await guarded.metric('queries')) === 0);
  });

  it('end a connection whose head arrives byte by byte', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { headersMs: 300 } });
    const socket = connect(guarded.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.write('GET /query HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => socket.write('X-A: b\r\n'), 50);
    await gone(socket);
    clearInterval(drip);
    assert.equal(upstream.seen.length, 0);
  });

  it('cut the answer of a slow reader, and release Prometheus', async () => {
    await using upstream = await startUpstream(ENDLESS);
    await using guarded = await guard(upstream.url, { limits: { transferMs: 500, queriesAtOnce: 1 } });
    const socket = connect(guarded.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`GET /api/v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\n\r\n`);
    const seen = await until('the query', () => upstream.seen[0]);
    await gone(seen.socket);
    await until('its end', async () => (await guarded.metric('requests_total{kind="query",status="cut"}')) === 1);
    assert.equal(await guarded.metric('queries'), 0);
    socket.destroy();
  });

  it('let a few queries run, a few wait, and refuse the rest; the UI is not counted', async () => {
    const go = Promise.withResolvers<undefined>();
    await using upstream = await startUpstream((incoming, response) => {
      if (incoming.url?.startsWith('/api/v1/query') === true) void go.promise.then(() => response.end('ok'));
      else response.end('ui');
    });
    await using guarded = await guard(upstream.url, { limits: { queriesAtOnce: 2, queriesWaiting: 3 } });
    const queries = Array.from({ length: 5 }, () => guarded.get('/api/v1/query'));
    await until('2 to run and 3 to wait', async () => {
      const [running, waiting] = [await guarded.metric('queries'), await guarded.metric('queries_waiting')];
      return running === 2 && waiting === 3;
    });
    const refused = await guarded.get('/api/v1/query');
    assert.deepEqual([refused.status, refused.headers['retry-after']], [429, '5']);
    assert.equal((await guarded.get('/classic/graph')).status, 200);
    assert.equal(upstream.seen.filter(({ url }) => url === '/api/v1/query').length, 2);
    go.resolve(undefined);
    assert.deepEqual(new Set((await Promise.all(queries)).map(({ status }) => status)), new Set([200]));
    assert.equal(await guarded.metric('refused_total{reason="busy"}'), 1);
    assert.equal(await guarded.metric('queries'), 0);
    assert.equal(await guarded.metric('queries_waiting'), 0);
  });

  it('let a query wait for a limited time, and not at all when its client has gone', async () => {
    await using upstream = await startUpstream(() => undefined);
    await using guarded = await guard(upstream.url, { limits: { queriesAtOnce: 1, queryWaitMs: 700 } });
    const [leaveFirst, leaveSecond] = [new AbortController(), new AbortController()];
    const first = guarded.get('/api/v1/query', { signal: leaveFirst.signal });
    await until('the first', () => upstream.seen[0]);
    const second = guarded.get('/api/v1/query', { signal: leaveSecond.signal });
    await until('the second to wait', async () => (await guarded.metric('queries_waiting')) === 1);
    leaveSecond.abort();
    await assert.rejects(second);
    await until('nobody to wait', async () => (await guarded.metric('queries_waiting')) === 0);
    assert.equal((await guarded.get('/api/v1/query')).status, 429);
    leaveFirst.abort();
    await assert.rejects(first);
    await until('a place', async () => (await guarded.metric('queries')) === 0);
    assert.equal(upstream.seen.length, 1);
  });

  it('let a query run while the bodies of many others are missing', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { queriesAtOnce: 2, queriesWaiting: 2 } });
    const head = `POST /api/v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\nContent-Length: 100\r\n\r\n`;
    const slow = await Promise.all(Array.from({ length: 40 }, () => guarded.send(`${head}q`)));
    assert.equal((await guarded.get('/api/v1/query', { method: 'POST', body: 'query=up' })).status, 200);
    assert.equal(await guarded.metric('queries_waiting'), 0);
    assert.equal(upstream.seen.length, 1);
    slow.forEach(({ socket }) => socket.destroy());
  });

  it('bound the memory of bodies: the oldest incomplete one is dropped', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { bodyBytes: 1_000, bodiesBytes: 2_500 } });
    const part = `POST /api/v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n${'x'.repeat(900)}`;
    const [oldest, second] = [await guarded.send(part), await guarded.send(part)];
    assert.equal((await guarded.get('/api/v1/query', { method: 'POST', body: 'x'.repeat(1_000) })).status, 200);
    assert.match(await oldest.answer, /^HTTP\/1.1 429 [^]*Too many queries/);
    second.socket.write('x'.repeat(100));
    assert.match(await second.answer, /^HTTP\/1.1 200 /);
    // What is over counts no more.
    for (let n = 0; n < 5; n++)
      assert.equal((await guarded.get('/api/v1/query', { method: 'POST', body: 'x'.repeat(1_000) })).status, 200);
  });

  it('end a query whose client reads nothing, and release its slot and Prometheus', async () => {
    await using upstream = await startUpstream(ENDLESS);
    await using guarded = await guard(upstream.url, { limits: { stallMs: 500, queriesAtOnce: 1 } });
    const { socket } = await startReading(guarded, '/api/v1/query');
    const seen = await until('the query', () => upstream.seen[0]);
    await gone(seen.socket);
    await until('its place', async () => (await guarded.metric('queries')) === 0);
    assert.equal(await guarded.metric('requests_total{kind="query",status="cut"}'), 1);
    socket.destroy();
  });

  it('keep clients that read slowly but steadily, and those that wait for an answer that pauses', async () => {
    await using upstream = await startUpstream((incoming, response) => {
      if (incoming.url === '/api/v1/labels') response.write('then nothing');
      else ENDLESS(incoming, response);
    });
    const STALL_MS = 4_000;
    await using guarded = await guard(upstream.url, { limits: { stallMs: STALL_MS } });
    const [slow, waiting] = [
      await startReading(guarded, '/api/v1/query'),
      await startReading(guarded, '/api/v1/labels'),
    ];
    waiting.socket.resume();
    const startedMs = performance.now();
    while (performance.now() - startedMs < 3 * STALL_MS) {
      slow.socket.read(64 * 1024);
      await sleep(50);
    }
    assert.equal(await guarded.metric('queries'), 2);
    slow.socket.destroy();
    waiting.socket.destroy();
  });

  it('close the oldest connection without a password when there are too many, and answer health checks all the same', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { connections: 8, connectionsProtected: 6 } });
    const silent = [];
    for (let n = 0; n < 50; n++) {
      silent.push(await guarded.send(n % 2 === 0 ? '' : 'G'));
      assert.equal((await guarded.speak(HEALTHY)).slice(0, 15), 'HTTP/1.1 200 OK');
    }
    assert.ok((await guarded.metric('refused_total{reason="connections"}')) >= 42);
    await Promise.all(silent.slice(0, 42).map(({ answer }) => answer));
    silent.forEach(({ socket }) => socket.destroy());
  });

  it('close connections that wait for the answer to a wrong password, and none that has shown the right one', async () => {
    await using upstream = await startUpstream((incoming, response) => {
      if (incoming.url === '/api/v1/query') response.write('part');
      else OBEDIENT(incoming, response);
    });
    await using guarded = await guard(upstream.url, { limits: { connections: 8, connectionsProtected: 6 } });
    const query = await guarded.send(`GET /api/v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\n\r\n`);
    const idle = await guarded.send(`GET /query HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\n\r\n`);
    await until('both to arrive', () => upstream.seen.length === 2);
    const guess = `GET /query HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic('shop', 'guess')}\r\n\r\n`;
    const guesses = [];
    for (let n = 0; n < 50; n++) {
      guesses.push(await guarded.send(guess));
      assert.equal((await guarded.speak(HEALTHY)).slice(0, 15), 'HTTP/1.1 200 OK');
    }
    await Promise.all(guesses.slice(0, 42).map(({ answer }) => answer));
    idle.socket.write(`GET /query HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\nConnection: close\r\n\r\n`);
    assert.equal((await idle.answer).match(/HTTP\/1.1 200/g)?.length, 2);
    assert.equal(query.socket.closed, false);
    [query, ...guesses].forEach(({ socket }) => socket.destroy());
  });

  it('keep connections free for health checks however many a client with the password opens', async () => {
    await using upstream = await startUpstream((incoming, response) => {
      incoming.resume();
      response.write('part');
    });
    await using guarded = await guard(upstream.url, { limits: { connections: 8, connectionsProtected: 6 } });
    const many = [];
    for (let n = 0; n < 20; n++) {
      many.push(await guarded.send(`GET /query HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\n\r\n`));
      if (n < 8) await until('it to arrive', () => upstream.seen.length > n);
      assert.equal((await guarded.speak(HEALTHY)).slice(0, 15), 'HTTP/1.1 200 OK');
    }
    assert.ok(many.slice(0, 6).every(({ socket }) => !socket.closed));
    many.forEach(({ socket }) => socket.destroy());
  });
});

const HEALTHY = 'GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

/** Sends without end, at the pace of the reader. */
const ENDLESS: RequestListener = (incoming, response) => {
  const piece = Buffer.alloc(64 * 1024);
  const send = (): void => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', send);
  send();
  incoming.resume();
};

/** Sends a query whose answer is read only when the test reads it. */
async function startReading({ port }: Guarded, path: string): Promise<{ socket: Socket }> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${RIGHT}\r\n\r\n`);
  await once(socket, 'readable');
  return { socket };
}
