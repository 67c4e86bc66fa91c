import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { errorCode } from '../system/files.ts';
import { urlOf } from '../report/server.ts';
import { send, sendRaw } from './answer.ts';
import { createConnections } from './connections.ts';
import { encodeFirstLines, type FirstLines } from './first-line.ts';
import { createHandler } from './handler.ts';
import { LIMITS, type Limits } from './limits.ts';
import type { GatewayOptions } from './options.ts';
import { pageOf, type RefusalPage } from './refusals.ts';

/** How often timeouts are looked after: Node's own 30 s would make them as long. */
const CHECK_EVERY_MS = 500;

/** Connections that wait to be accepted. With Node's 511, a flood has the kernel drop others, who try again after a second or three. */
const BACKLOG = 4096;

export interface Gateway {
  readonly url: string;
  /** Takes no more connections; answers under way have a moment to end. */
  close(): Promise<void>;
}

/**
 * Opens the port of an instance: Prometheus' UI and its query API behind a password, with limits, and nothing that changes Prometheus.
 * @throws when the port cannot be opened.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { metrics, listen } = options;
  const limits: Limits = { ...LIMITS, ...options.limits };
  const connections = createConnections({
    most: limits.connections,
    mostProtected: limits.connectionsProtected,
    onClosed() {
      metrics.refused('connections');
    },
  });
  const handler = createHandler(options, limits, connections);
  /** The answer that is under way on a connection. */
  const underWay = new WeakMap<Duplex, ServerResponse>();
  const firstLines = new WeakMap<Duplex, FirstLines>();

  function take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    // Requests in a row without waiting for the answers would pass by all limits that count connections.
    if (underWay.has(socket)) {
      metrics.refused('pipelined');
      send(response, pageOf('pipelined'), { connection: 'close' });
      return;
    }
    underWay.set(socket, response);
    response.once('close', () => {
      underWay.delete(socket);
      if (request.complete) firstLines.get(socket)?.next();
    });
    void handler.handle(request, response);
  }

  function refuse(socket: Duplex, reason: RefusalPage): void {
    metrics.refused(reason);
    sendRaw(socket, pageOf(reason));
  }

  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      insecureHTTPParser: false,
      // The handler looks itself, so that this refusal is like all others.
      requireHostHeader: false,
    },
    take,
  );
  // Each header counts: those above a number would not be seen, and `headerBytes` limits them all.
  server.maxHeadersCount = 0;
  server.on('connection', (socket: Socket) => {
    firstLines.set(socket, encodeFirstLines(socket));
    connections.add(socket);
  });
  // Handled like all others, so that a client that may not send a body learns that before it sends it.
  server.on('checkContinue', take);
  server.on('checkExpectation', (_request, response: ServerResponse) => {
    metrics.refused('malformed');
    send(response, pageOf('malformed'), { connection: 'close' });
  });
  server.on('connect', (_request, socket: Duplex) => {
    socket.on('error', () => socket.destroy());
    refuse(socket, 'method');
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A second answer in the middle of one would be read as a part of it.
    if (!socket.writable || underWay.get(socket)?.headersSent === true) socket.destroy();
    else refuse(socket, reasonOf(error.code));
  });
  await open(server, listen);
  return {
    url: urlOf(server),
    async close() {
      handler.drain();
      await close(server, limits.closeMs);
      handler.close();
    },
  };
}

/** All addresses are those of IPv4 where the kernel has no IPv6. */
async function open(server: Server, { host, port }: GatewayOptions['listen']): Promise<void> {
  server.listen({ port, host, backlog: BACKLOG });
  try {
    await once(server, 'listening');
  } catch (error) {
    if (host !== '::' || !['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(errorCode(error) ?? '')) throw error;
    server.listen({ port, host: '0.0.0.0', backlog: BACKLOG });
    await once(server, 'listening');
  }
}

function reasonOf(code: string | undefined): RefusalPage {
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large';
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 'body_too_large';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'slow_request' : 'malformed';
}

async function close(server: Server, patienceMs: number): Promise<void> {
  const closed = once(server, 'close');
  const patience = new AbortController();
  server.close();
  await Promise.race([closed, wait(patienceMs, undefined, { signal: patience.signal }).catch(() => undefined)]);
  patience.abort();
  server.closeAllConnections();
  await closed;
}
