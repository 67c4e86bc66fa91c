import { Agent, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import { Transform, type Readable } from 'node:stream';
import { ProxyServer } from 'httpxy';
import { answerHeaders, requestHeaders } from './headers.ts';

/** How long an idle connection to Prometheus is kept: less than the 5 minutes after which Prometheus ends it. */
const KEEP_ALIVE_MS = 60_000;

/** How a request fared. With `answered` and `cut` (by either side) there is nothing left to answer. */
export type Forwarded = 'answered' | 'cut' | 'unreachable' | 'too_slow' | 'body_too_large';

export interface ForwardLimits {
  readonly bodyBytes: number;
  /** Until the answer begins. */
  readonly answerMs: number;
  /** From there until it has ended; the connection is cut then. */
  readonly transferMs: number;
}

export interface Forwarder {
  forward(request: IncomingMessage, response: ServerResponse, limits: ForwardLimits): Promise<Forwarded>;
  /** Has the connections of answers that are still to begin ended with them. */
  drain(): void;
  close(): void;
}

/** What is known of a request while it is with Prometheus. */
interface Exchange {
  upstream: ClientRequest | undefined;
  failure: 'too_slow' | 'body_too_large' | undefined;
  begun(): void;
}

/**
 * Hands requests to Prometheus and answers back as they come, at the pace of the slower side. Only the listed headers pass, in either
 * direction. Who leaves takes the request along: Prometheus stops a query whose connection ends.
 *
 * The library is httpxy: no dependencies, types, maintained, 0.9 MB of memory (with @fastify/reply-from or fast-proxy, 11 MB: all of undici).
 */
export function createForwarder(prometheus: URL): Forwarder {
  const agent = new (prometheus.protocol === 'https:' ? SecureAgent : Agent)({
    keepAlive: true,
    timeout: KEEP_ALIVE_MS,
    maxFreeSockets: 16,
  });
  const proxy = new ProxyServer<IncomingMessage, ServerResponse>({ target: prometheus, agent, changeOrigin: true });
  const exchanges = new WeakMap<ServerResponse, Exchange>();
  let isDraining = false;

  proxy.on('proxyReq', (upstream, _request, response) => {
    const exchange = exchanges.get(response);
    if (exchange !== undefined) {
      exchange.upstream = upstream;
      if (exchange.failure !== undefined) upstream.destroy(new Error(exchange.failure));
    }
    // The agent's time-out is for idle connections: those at work have the limits' own.
    upstream.setTimeout(0);
  });
  proxy.on('proxyRes', (answer, _request, response) => {
    exchanges.get(response)?.begun();
    answer.headers = {
      ...answerHeaders(answer.headers),
      connection: isDraining || !response.shouldKeepAlive ? 'close' : 'keep-alive',
    };
    // Node holds headers back until there is something to read, which in a stream of events may take hours.
    if (answer.headers['content-type'] === 'text/event-stream') {
      queueMicrotask(() => {
        response.flushHeaders();
      });
    }
  });

  return {
    async forward(request, response, { bodyBytes, answerMs, transferMs }) {
      const exchange: Exchange = {
        upstream: undefined,
        failure: undefined,
        begun() {
          clearTimeout(timer);
          timer = setTimeout(() => response.destroy(), transferMs);
        },
      };
      const fail = (failure: Exchange['failure']): void => {
        exchange.failure = failure;
        exchange.upstream?.destroy(new Error(failure));
      };
      let timer = setTimeout(() => {
        fail('too_slow');
      }, answerMs);
      exchanges.set(response, exchange);
      try {
        const body =
          request.method === 'POST'
            ? limited(request, bodyBytes, () => {
                fail('body_too_large');
              })
            : undefined;
        const { headers } = request;
        request.headers = requestHeaders(headers);
        const done = proxy.web(request, response, body === undefined ? {} : { buffer: body });
        request.headers = headers;
        await done;
        return response.writableFinished ? 'answered' : 'cut';
      } catch {
        if (response.destroyed) return 'cut';
        if (!response.headersSent) return exchange.failure ?? 'unreachable';
        response.destroy();
        return 'answered';
      } finally {
        clearTimeout(timer);
      }
    },
    drain() {
      isDraining = true;
    },
    close() {
      agent.destroy();
    },
  };
}

/** The body of a request, which ends in an error when it is too large. */
function limited(request: IncomingMessage, most: number, onExcess: () => void): Readable {
  let bytes = 0;
  const body = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= most) {
        done(null, chunk);
        return;
      }
      request.unpipe(body);
      onExcess();
    },
  });
  return request.pipe(body);
}
