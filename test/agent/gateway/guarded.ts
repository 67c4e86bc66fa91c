import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Registry } from 'prom-client';
import { request, type Dispatcher } from 'undici';
import { startGateway } from '../../../agent/gateway/gateway.ts';
import type { GatewayOptions } from '../../../agent/gateway/options.ts';
import { createGatewayMetrics } from '../../../agent/gateway/metrics.ts';
import { createCheck } from '../../../agent/shared/basic-auth.ts';
import { createLog } from '../../../agent/shared/log.ts';

const CREDENTIALS = { username: 'shop', password: 'a long: password, ünïcode' };
export const RIGHT = basic(CREDENTIALS.username, CREDENTIALS.password);

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

interface Answer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly body: string;
}

export interface GetOptions {
  readonly method?: Dispatcher.HttpMethod;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Without one, the right one. */
  readonly authorization?: string | null;
  readonly signal?: AbortSignal;
}

/** A gateway in front of a Prometheus. */
export interface Guarded extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  get(path: string, options?: GetOptions): Promise<Answer>;
  /** Sends these bytes; `answer` has all that comes back until the connection ends. */
  send(bytes: string): Promise<{ readonly socket: Socket; readonly answer: Promise<string> }>;
  /** Sends these bytes and returns all that comes back until the gateway ends the connection. */
  speak(bytes: string): Promise<string>;
  metric(series: string): Promise<number>;
  close(): Promise<void>;
}

/** Starts a gateway in front of what listens at `prometheus`. */
export async function guard(prometheus: string, options: Partial<GatewayOptions> = {}): Promise<Guarded> {
  const registry = new Registry();
  const gateway = await startGateway({
    listen: { host: '127.0.0.1', port: 0 },
    prometheus: new URL(prometheus),
    verdictOf: createCheck(CREDENTIALS),
    pages: {},
    secrets: [],
    readiness: () => Promise.resolve({ targetsKnown: true, prometheusReady: true }),
    log: createLog('silent', []),
    metrics: createGatewayMetrics(registry),
    onStopped: () => undefined,
    nowMs: () => performance.now(),
    ...options,
  });
  const port = Number(new URL(gateway.url).port);
  const send: Guarded['send'] = async (bytes) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => socket.end());
    const answer = gone(socket).then(() => Buffer.concat(chunks).toString('latin1'));
    await new Promise((resolve) => socket.write(bytes, 'latin1', resolve));
    return { socket, answer };
  };
  return {
    url: gateway.url,
    port,
    async get(path, { authorization = RIGHT, headers = {}, ...more } = {}) {
      const {
        statusCode,
        headers: answered,
        body,
      } = await request(`${gateway.url}${path}`, {
        ...more,
        headers: { ...headers, ...(authorization === null ? {} : { authorization }) },
      });
      return { status: statusCode, headers: answered, body: await body.text() };
    },
    send,
    async speak(bytes) {
      return (await send(bytes)).answer;
    },
    async metric(series) {
      const line = (await registry.metrics())
        .split('\n')
        .find((candidate) => candidate.startsWith(`tsuru_agent_gateway_${series} `));
      return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1));
    },
    close: () => gateway.close(),
    [Symbol.asyncDispose]: () => gateway.close(),
  };
}

/** Stands in for Prometheus where a test needs one that behaves badly. */
export interface Upstream extends AsyncDisposable {
  readonly url: string;
  /** All that reached it. */
  readonly seen: readonly IncomingMessage[];
}

export async function startUpstream(listener: RequestListener): Promise<Upstream> {
  const seen: IncomingMessage[] = [];
  // Prometheus takes 1 MB of headers.
  const server = createServer({ maxHeaderSize: 1024 * 1024 }, (incoming, response) => {
    seen.push(incoming);
    listener(incoming, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Resolves once a connection is gone, however it ended. */
export function gone(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.once('close', () => {
      resolve();
    });
  });
}

/** Answers everything with `ok`, once the request is whole. */
export const OBEDIENT: RequestListener = (incoming, response) => {
  incoming.resume();
  incoming.on('end', () => response.end('ok'));
};
