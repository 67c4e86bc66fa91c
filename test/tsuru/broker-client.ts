// The requests to a service's broker as tsurud sends them: these headers, these timeouts, never twice.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodedBody, type BrokerBody, type Requester } from './broker-bodies.ts';
import type { FaultRules } from './faults.ts';
import { readText } from './http.ts';
import type { Service } from './services.ts';
import type { Pool } from './pools.ts';

export interface BrokerTimes {
  /** Until there is a connection. */
  readonly dialMs: number;
  /** Until the answer is read. */
  readonly wholeMs: number;
}

export interface BrokerRequest {
  readonly method: string;
  readonly path: string;
  /** Undefined on a GET, which also tells nobody's name. */
  readonly body?: BrokerBody;
  readonly requester?: Requester;
  /** The instance's pool, of a multi-cluster service. */
  readonly pool: Pool | undefined;
  readonly requestId: string | undefined;
}

/** A request of somebody else that Tsuru hands on as it is. */
export interface RelayedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly pool: Pool | undefined;
}

export interface BrokerAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface BrokerClient {
  call(service: Service, request: BrokerRequest): Promise<BrokerAnswer>;
  relay(service: Service, request: RelayedRequest): Promise<BrokerAnswer>;
}

export interface BrokerClientOptions {
  readonly times: BrokerTimes;
  /** Tsuru's setting request-id-header; '' for none. */
  readonly requestIdHeader: string;
  readonly faults: FaultRules;
  readonly closing: AbortSignal;
}

interface Sent {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly text: string;
}

export function createBrokerClient({ times, requestIdHeader, faults, closing }: BrokerClientOptions): BrokerClient {
  async function send(service: Service, path: string, sent: Sent): Promise<BrokerAnswer> {
    const { method } = sent;
    const url = `${service.endpoint.replace(/\/+$/, '')}${path}`;
    const misfortune = faults.meet(method, path.split('?')[0] ?? path, 'broker');
    try {
      if (misfortune.delayMs > 0) await sleep(misfortune.delayMs, undefined, { signal: closing });
      if (misfortune.isDropped) throw new Error('EOF');
      if (misfortune.answer !== undefined) return { contentType: '', ...misfortune.answer };
      if (misfortune.isRepeated) await exchange(new URL(url), sent, times, closing).catch(() => undefined);
      const answer = await exchange(new URL(url), sent, times, closing);
      if (misfortune.isCut) throw new Error('EOF');
      return answer;
    } catch (error) {
      const verb = method.slice(0, 1) + method.slice(1).toLowerCase();
      throw new Error(`${verb} "${url}": ${networkError(error, new URL(url))}`, { cause: error });
    }
  }

  return {
    call(service, { method, path, body, requester, pool, requestId }) {
      const encoded = body === undefined ? undefined : encodedBody(body, service.encoding);
      return send(service, path, {
        method,
        headers: {
          'User-Agent': 'Go-http-client/1.1',
          Connection: 'close',
          Accept: 'application/json',
          Authorization: basicAuth(service),
          ...(encoded === undefined ? {} : { 'Content-Type': encoded.contentType }),
          ...(requestIdHeader === '' || requestId === undefined ? {} : { [requestIdHeader]: requestId }),
          ...requesterHeaders(requester),
          ...poolHeaders(pool),
        },
        text: encoded?.text ?? '',
      });
    },

    relay(service, { method, path, headers, text, pool }) {
      const authorization = { Authorization: basicAuth(service) };
      return send(service, path, { method, headers: { ...headers, ...authorization, ...poolHeaders(pool) }, text });
    },
  };
}

export function requesterHeaders(requester: Requester | undefined): Record<string, string> {
  return requester === undefined ? {} : { 'X-Tsuru-Eventid': requester.eventId, 'X-Tsuru-User': requester.user };
}

function basicAuth({ username, password }: Service): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function poolHeaders(pool: Pool | undefined): Record<string, string | readonly string[]> {
  if (pool === undefined) return {};
  const { name, provisioner, cluster } = pool;
  return {
    'X-Tsuru-Pool-Name': name,
    'X-Tsuru-Pool-Provisioner': provisioner,
    ...(cluster === undefined
      ? {}
      : {
          'X-Tsuru-Cluster-Name': cluster.name,
          'X-Tsuru-Cluster-Provisioner': provisioner,
          'X-Tsuru-Cluster-Addresses': cluster.addresses,
          ...(cluster.kubeConfig === undefined
            ? {}
            : { 'X-Tsuru-Cluster-Kube-Config': Buffer.from(cluster.kubeConfig).toString('base64') }),
        }),
  };
}

function exchange(url: URL, { method, headers, text }: Sent, times: BrokerTimes, closing: AbortSignal) {
  return new Promise<BrokerAnswer>((resolve, reject) => {
    const length = method === 'GET' ? {} : { 'Content-Length': Buffer.byteLength(text) };
    const signal = AbortSignal.any([AbortSignal.timeout(times.wholeMs), closing]);
    const request = httpRequest(url, { method, headers: { ...headers, ...length }, agent: false, signal });
    request.on('socket', (socket) => {
      limitDial(socket, times.dialMs);
    });
    request.on('response', (response) => {
      answerOf(response).then(resolve, reject);
    });
    request.on('error', (error) => {
      reject(signal.aborted ? (signal.reason as Error) : error);
    });
    request.end(text);
  });
}

async function answerOf(response: IncomingMessage): Promise<BrokerAnswer> {
  const contentType = response.headers['content-type'] ?? '';
  return { status: response.statusCode ?? 0, contentType, body: await readText(response) };
}

function limitDial(socket: Socket, dialMs: number): void {
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error('dial time-out'), { code: 'ETIMEDOUT' }));
  }, dialMs);
  for (const event of ['connect', 'close']) {
    socket.once(event, () => {
      clearTimeout(timer);
    });
  }
}

/** What Go calls it. */
function networkError(error: unknown, { host, port }: URL): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError')
    return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
  const address = port === '' ? `${host}:80` : host;
  switch ('code' in error ? error.code : undefined) {
    case 'ECONNREFUSED':
      return `dial tcp ${address}: connect: connection refused`;
    case 'ETIMEDOUT':
      return `dial tcp ${address}: i/o timeout`;
    case 'ECONNRESET':
      return 'EOF';
    default:
      return error.message;
  }
}
