import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import Registry from 'prom-client/lib/registry.js';
import { createLog } from '../../../agent/shared/log.ts';
import { createTsuruClient } from '../../../agent/shared/tsuru.ts';
import { systemClock } from '../../../agent/shared/clock.ts';
import { createGrants } from '../../../broker/tsuru/grants.ts';
import { createServer } from '../../../broker/http/server.ts';
import { createDeploys } from '../../../broker/tsuru/deploys.ts';
import { createAssertRules } from '../../../broker/instances/rules.ts';
import { createMetrics } from '../../../broker/metrics.ts';
import { createTurns } from '../../../broker/tsuru/turns.ts';
import { until } from '../../support/until.ts';
import { askBroker, AUTH } from '../stage.ts';

const AUTHORIZATION = `Basic ${Buffer.from(`${AUTH.username}:${AUTH.password}`).toString('base64')}`;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const HEADERS = `POST /resources HTTP/1.1\r\nhost: broker\r\nauthorization: ${AUTHORIZATION}\r\n`;
const BODY = `${HEADERS}content-type: ${FORM['content-type']}\r\ncontent-length: 1000\r\n\r\nname=`;
const CHUNKED = `${HEADERS}content-type: ${FORM['content-type']}\r\ntransfer-encoding: chunked\r\n\r\n`;
/** What has not ended by then never does: the server looks at requests every 5 s. */
const LIMIT_MS = 60_000;

interface Idle extends AsyncDisposable {
  readonly url: string;
  /** Node's own. */
  readonly http: Awaited<ReturnType<typeof createServer>>['server'];
  readonly metrics: () => Promise<string>;
  /** Begins a request. */
  send(start: string): Socket;
}

/** A broker's server that never gets as far as Tsuru, and this many times less patient than usual. */
async function startIdle(speed = 1): Promise<Idle> {
  await using stack = new AsyncDisposableStack();
  const tsuru = createTsuruClient({ url: new URL('http://127.0.0.1:9'), token: 'a-token' });
  stack.defer(() => tsuru.close());
  const registry = new Registry();
  const [clock, log, metrics, turns] = [systemClock, createLog('silent', []), createMetrics(registry), createTurns()];
  const names = {
    ...{ service: 'prometheus', image: 'shop/prometheus:1', pool: '', instanceUrl: 'http://{unit}' },
    authorities: '',
  };
  const server = await createServer({
    context: {
      ...{ ...names, tsuru, clock, log, metrics, turns, plans: [], ending: new AbortController().signal },
      grants: createGrants({ turns, clock, metrics }),
      deploys: createDeploys({ ...names, tsuru, clock, log, metrics }),
      assertRules: createAssertRules('', log),
      poke: () => undefined,
      takeEvent: () => true,
    },
    ...{ auth: AUTH, eventsToken: undefined, registry },
  });
  stack.defer(() => server.close());
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const { server: http } = server;
  for (const limit of ['requestTimeout', 'headersTimeout'] as const) http[limit] /= speed;
  const all = stack.move();
  return {
    ...{ url, http, metrics: () => registry.metrics() },
    send(start) {
      const { hostname: host, port } = new URL(url);
      const socket = connect({ host, port: Number(port), signal: AbortSignal.timeout(LIMIT_MS) });
      all.defer(() => void socket.destroy());
      socket.write(start);
      return socket;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function connectionsOf({ http }: Idle): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  http.getConnections((_error, count) => {
    resolve(count);
  });
  return promise;
}

async function assertWell({ url }: Idle): Promise<void> {
  const asked = await askBroker(url, 'POST', '/resources', { body: 'team=shop', headers: FORM });
  assert.deepEqual([asked.status, asked.body], [400, 'name is missing.']);
}

describe('a request that is slow to arrive', { concurrency: true }, () => {
  it('is waited for 30 s', async () => {
    await using idle = await startIdle();
    assert.deepEqual([idle.http.requestTimeout, idle.http.headersTimeout], [30_000, 30_000]);
  });

  for (const [what, start, more] of [
    ['its body does not come', BODY, ''],
    ['its body comes bit by bit', BODY, 'x'],
    ['its body has no end', CHUNKED, '1\r\nx\r\n'],
    ['its headers do not come', HEADERS, ''],
    ['its headers have no end', HEADERS, 'x: y\r\n'],
    ['there is half a line of it', 'POST /resour', ''],
  ] as const) {
    it(`is ended with 408 when ${what}, and the server goes on`, async () => {
      await using idle = await startIdle(100);
      const socket = idle.send(start);
      const drip = setInterval(() => socket.write(more), 100);
      const answer = await text(socket).finally(() => {
        clearInterval(drip);
      });
      assert.match(answer, /^HTTP\/1\.1 408 Request Timeout\r\n/);
      assert.match(answer, /\r\nconnection: close\r\n/);
      assert.match(answer, /\r\n\r\nThe request took too long to arrive\.$/);
      const metrics = await idle.metrics();
      assert.match(metrics, /^tsuru_broker_requests_total\{method="none",route="none",status="408"\} 1$/m);
      await until('the connection to be closed', async () => (await connectionsOf(idle)) === 0);
      await assertWell(idle);
    });
  }

  it('is not waited for longer after its headers', async () => {
    // Node's own limit of the headers would be 6 s here, and the server looks once between that and the 3 s of the whole.
    await using idle = await startIdle(10);
    const body = text(idle.send(BODY));
    await text(idle.send(HEADERS));
    assert.match((await Promise.race([body, wait(2_000, undefined, { ref: false })])) ?? 'it goes on', / 408 /);
  });
});

describe('a request that is cut off', () => {
  for (const [what, start] of [
    ['in its headers', HEADERS],
    ['in its body', BODY],
    ['between chunks', `${CHUNKED}5\r\nname=\r\n`],
  ] as const) {
    it(`${what} is answered while the client listens, and the server goes on`, async () => {
      await using idle = await startIdle();
      const connected = once(idle.http, 'connection');
      const socket = idle.send(start);
      await connected;
      socket.end();
      assert.match(await text(socket), /^HTTP\/1\.1 400 Bad Request\r\n.*\r\n\r\nThe request cannot be read\.$/s);
      await until('the connection to be closed', async () => (await connectionsOf(idle)) === 0);
      await assertWell(idle);
    });

    for (const [how, hangUp] of [
      ['closes', (socket: Socket) => socket.destroy()],
      ['breaks', (socket: Socket) => socket.resetAndDestroy()],
    ] as const) {
      it(`${what} by a client that ${how} the connection does not disturb the server`, async () => {
        await using idle = await startIdle();
        const connected = once(idle.http, 'connection');
        const socket = idle.send(start);
        await connected;
        hangUp(socket);
        await until('the connection to be closed', async () => (await connectionsOf(idle)) === 0);
        await assertWell(idle);
      });
    }
  }
});
