import { Agent, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import { Readable } from 'node:stream';
import { ProxyServer } from 'httpxy';
import { answerHeaders, requestHeaders } from './headers.ts';
import { watchStopped, type OnStopped } from './stopped-queries.ts';

/** How long an idle connection to Prometheus is kept: less than the 5 minutes after which Prometheus ends it. */
const KEEP_ALIVE_MS = 60_000;

/** How a request fared. With `answered` and `cut` (by either side) there is nothing left to answer. */
export type Forwarded = 'answered' | 'cut' | 'unreachable' | 'too_slow';

export interface ForwardLimits {
  /** Until the answer begins. */
  readonly answerMs: number;
  /** From there until it has ended; the connection is cut then. */
  readonly transferMs: number;
  /** How long the client may read nothing of it. */
  readonly stallMs: number;
}

/** What Prometheus is asked: with the method and the listed headers of a request. */
export interface Asked {
  readonly request: IncomingMessage;
  /** The path with its query. */
  readonly target: string;
  /** That of a POST. */
  readonly body: Buffer | undefined;
}

export interface Forwarder {
  forward(asked: Asked, response: ServerResponse, limits: ForwardLimits): Promise<Forwarded>;
  /** Has the connections of answers that are still to begin ended with them. */
  drain(): void;
  close(): void;
}

/** What is known of a request while it is with Prometheus. */
interface Exchange {
  upstream: ClientRequest | undefined;
  isTooSlow: boolean;
  begun(): void;
}

/**
 * Hands requests to Prometheus and answers back as they come, at the pace of the slower side. Only the listed headers pass, in either
 * direction. Who leaves takes the request along: Prometheus stops a query whose connection ends.
 *
 * The library is httpxy: no dependencies, types, maintained, 0.9 MB of memory (with @fastify/reply-from or fast-proxy, 11 MB: all of undici).
 */
export function createForwarder(
  prometheus: URL,
  { authorization, onStopped }: { readonly authorization?: string | undefined; readonly onStopped: OnStopped },
): Forwarder {
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
      if (exchange.isTooSlow) upstream.destroy();
    }
    // The agent's timeout is for idle connections: those at work have the limits' own.
    upstream.setTimeout(0);
  });
  proxy.on('proxyRes', (answer, _request, response) => {
    exchanges.get(response)?.begun();
    watchStopped(answer, onStopped);
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
    async forward({ request, target, body }, response, { answerMs, transferMs, stallMs }) {
      const exchange: Exchange = {
        upstream: undefined,
        isTooSlow: false,
        begun() {
          clearTimeout(timer);
          timer = setTimeout(() => response.destroy(), transferMs);
          cutStalled(response, stallMs);
        },
      };
      let timer = setTimeout(() => {
        exchange.isTooSlow = true;
        exchange.upstream?.destroy();
      }, answerMs);
      exchanges.set(response, exchange);
      try {
        const { headers, url } = request;
        const length = body === undefined ? {} : { 'content-length': String(body.length) };
        request.headers = {
          ...requestHeaders(headers),
          ...length,
          ...(authorization === undefined ? {} : { authorization }),
        };
        request.url = target;
        const done = proxy.web(request, response, body === undefined ? {} : { buffer: Readable.from([body]) });
        Object.assign(request, { headers, url });
        await done;
        return response.writableFinished ? 'answered' : 'cut';
      } catch {
        if (response.destroyed) return 'cut';
        if (!response.headersSent) return exchange.isTooSlow ? 'too_slow' : 'unreachable';
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

/** Ends a response whose client reads nothing for this long. Node sees a part of a write that was read as well. */
export function cutStalled(response: ServerResponse, stallMs: number): void {
  response.setTimeout(stallMs, () => {
    if (response.writableLength > 0) response.destroy();
    // Nothing to read: Prometheus has sent nothing more.
    else response.socket?.setTimeout(stallMs);
  });
}
