import type { IncomingMessage, ServerResponse } from 'node:http';
import { partsOf, runPage, text } from '../report/server.ts';
import { INSTANCE_CHALLENGE } from '../shared/basic-auth.ts';
import { errorText } from '../shared/text.ts';
import { send } from './answer.ts';
import { createBodies } from './bodies.ts';
import type { Connections } from './connections.ts';
import { createForwarder, cutStalled, type Forwarded } from './forward.ts';
import type { GatewayOptions } from './options.ts';
import { repeatedHeader, securityHeaders } from './headers.ts';
import type { Limits } from './limits.ts';
import { createQueries } from './queries.ts';
import { FAILED, pageOf, readable, TOO_SLOW, UNREACHABLE, type RefusalPage } from './refusals.ts';
import { routeOf, type Kind } from './routes.ts';
import { targetOf, type Target } from './request-path.ts';

/** Answers the requests of a gateway. */
export interface Handler {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Ends streams, and each connection with the answer that is under way on it. */
  drain(): void;
  close(): void;
}

/** A request that may be forwarded; `body` is that of a POST. */
interface Whole {
  readonly request: IncomingMessage;
  readonly target: Target;
  readonly body: Buffer | undefined;
}

export function createHandler(
  options: Omit<GatewayOptions, 'limits'>,
  limits: Limits,
  connections: Pick<Connections, 'protect' | 'expose'>,
): Handler {
  const { pages, log, metrics, nowMs, verdictOf } = options;
  const forwarder = createForwarder(options.prometheus, options);
  const queries = createQueries({
    atOnce: limits.queriesAtOnce,
    waiting: limits.queriesWaiting,
    waitMs: limits.queryWaitMs,
    onChange: metrics.queries,
  });
  const bodies = createBodies({ mostBytes: limits.bodyBytes, mostBytesTogether: limits.bodiesBytes });
  const retryLater = { 'retry-after': String(Math.ceil(limits.retryAfterMs / 1000)) };
  const streams = new Set<ServerResponse>();
  /** Answers to wrong passwords that wait: each is released when its client leaves. */
  const heldBack = new Set<() => void>();
  let isDraining = false;

  function refuse(
    request: IncomingMessage,
    response: ServerResponse,
    reason: RefusalPage,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    metrics.refused(reason);
    const page = pageOf(reason);
    // Bytes after an invalid request, or after an unread body, cannot be trusted.
    const isLast = page.status === 400 || hasBody(request);
    send(response, readable(page, request.headers.accept), isLast ? { ...headers, connection: 'close' } : headers);
  }

  function holdBack(response: ServerResponse): Promise<void> {
    return new Promise((resolve) => {
      const release = (): void => {
        clearTimeout(timer);
        heldBack.delete(release);
        resolve();
      };
      const timer = setTimeout(release, limits.wrongPasswordMs);
      heldBack.add(release);
      response.once('close', release);
    });
  }

  /** Resolves with what the request is, or undefined when it was refused. */
  async function admit(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<{ kind: Kind; target: Target } | undefined> {
    const method = request.method ?? '';
    const target = targetOf(request.url ?? '');
    if (target === undefined || !isPlain(request)) {
      refuse(request, response, 'malformed');
      return undefined;
    }
    if (!canIgnore(request.headers.upgrade)) {
      refuse(request, response, 'upgrade');
      return undefined;
    }
    const route = routeOf(method, target.path);
    const isOpen = route.found && route.kind === 'health';
    if (isOpen) {
      connections.protect(request.socket);
      response.once('close', () => {
        connections.expose(request.socket);
      });
    } else {
      const verdict = verdictOf(request.headers.authorization);
      if (verdict === 'right') connections.protect(request.socket);
      else connections.expose(request.socket);
      if (verdict === 'none') {
        refuse(request, response, 'no_credentials', INSTANCE_CHALLENGE);
        return undefined;
      }
      if (verdict === 'wrong') {
        await holdBack(response);
        refuse(request, response, 'wrong_credentials', INSTANCE_CHALLENGE);
        return undefined;
      }
    }
    if (!route.found) {
      if (route.allowed.length === 0) refuse(request, response, 'not_found');
      else refuse(request, response, 'method', { allow: route.allowed.join(', ') });
      return undefined;
    }
    if (method !== 'POST' && hasBody(request)) {
      refuse(request, response, 'malformed');
      return undefined;
    }
    if (Number(request.headers['content-length'] ?? 0) > limits.bodyBytes) {
      refuse(request, response, 'body_too_large');
      return undefined;
    }
    return { kind: route.kind, target };
  }

  async function health(path: string, response: ServerResponse): Promise<void> {
    if (path === '/-/healthy') {
      send(response, text(200, 'Healthy.'));
      return;
    }
    const { targetsKnown, prometheusReady } = await options.readiness();
    const missing = [
      ...(targetsKnown ? [] : ['the targets are not known yet']),
      ...(prometheusReady ? [] : ['Prometheus is not ready']),
    ];
    send(response, missing.length === 0 ? text(200, 'Ready.') : text(503, `Not ready: ${missing.join(', and ')}.`));
  }

  async function forward(
    { request, target, body }: Whole,
    response: ServerResponse,
    transferMs: number = limits.transferMs,
  ): Promise<void> {
    const { answerMs, stallMs } = limits;
    const asked = { request, target: target.forwarded, body };
    const forwarded: Forwarded = await forwarder.forward(asked, response, { answerMs, transferMs, stallMs });
    const { accept } = request.headers;
    if (forwarded === 'unreachable') send(response, readable(UNREACHABLE, accept));
    else if (forwarded === 'too_slow') send(response, readable(TOO_SLOW, accept));
  }

  async function query(whole: Whole, response: ServerResponse): Promise<void> {
    const left = new AbortController();
    response.once('close', () => {
      left.abort();
    });
    const result = await queries.run(() => forward(whole, response), left.signal);
    if (result === 'busy') refuse(whole.request, response, 'busy', retryLater);
  }

  async function live(whole: Whole, response: ServerResponse): Promise<void> {
    if (streams.size >= limits.liveStreams) {
      refuse(whole.request, response, 'too_many_streams', retryLater);
      return;
    }
    streams.add(response);
    try {
      await forward(whole, response, limits.liveStreamMs);
    } finally {
      streams.delete(response);
    }
  }

  async function read(request: IncomingMessage, response: ServerResponse): Promise<Buffer | 'refused'> {
    if (request.headers.expect !== undefined) response.writeContinue();
    const body = await bodies.read(request, response);
    if (body.kind === 'whole') return body.bytes;
    if (body.kind === 'too_large') refuse(request, response, 'body_too_large');
    if (body.kind === 'no_capacity') refuse(request, response, 'busy', retryLater);
    return 'refused';
  }

  async function ownPage(
    method: 'GET' | 'POST',
    { path, forwarded }: Target,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const page = pages[`${method} ${path}`];
    if (page === undefined) {
      send(response, pageOf('not_found'));
      return;
    }
    const bytes = method === 'POST' ? await read(request, response) : Buffer.alloc(0);
    if (bytes === 'refused') return;
    const body = bytes.toString('utf8');
    const asked = { authorization: undefined, accept: request.headers.accept, query: partsOf(forwarded).query, body };
    const answered = await runPage(() => page(asked), path, options.secrets, log);
    send(response, readable(answered, asked.accept));
  }

  async function answer(kind: Kind, target: Target, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { path, redirect } = target;
    // For its own pages the gateway answers that itself.
    if (redirect !== undefined && (kind === 'health' || kind === 'agent')) {
      send(response, text(301, 'This page is at a path without empty segments.'), { location: redirect });
      return;
    }
    const isPageOfUi = kind === 'ui' && !path.startsWith('/api/');
    if (kind === 'health') return health(path, response);
    if (kind === 'agent') {
      // A status of thousands of units does not fit into the buffers of a connection whose client does not read.
      cutStalled(response, limits.stallMs);
      return ownPage(request.method === 'POST' ? 'POST' : 'GET', target, request, response);
    }
    Object.entries(securityHeaders(isPageOfUi)).forEach(([name, value]) => response.setHeader(name, value));
    if (kind === 'live') return live({ request, target, body: undefined }, response);
    const body = request.method === 'POST' ? await read(request, response) : undefined;
    if (body === 'refused') return;
    const whole = { request, target, body };
    return kind === 'query' ? query(whole, response) : forward(whole, response);
  }

  return {
    async handle(request, response) {
      const startedMs = nowMs();
      let kind: Kind | 'none' = 'none';
      response.once('close', () => {
        metrics.answered(kind, response.writableFinished ? response.statusCode : 'cut', nowMs() - startedMs);
      });
      if (isDraining) response.shouldKeepAlive = false;
      try {
        const admitted = await admit(request, response);
        if (admitted === undefined) return;
        ({ kind } = admitted);
        await answer(kind, admitted.target, request, response);
      } catch (error) {
        log.error({ reason: errorText(error) }, 'the gateway failed to answer');
        send(response, FAILED);
      }
    },
    drain() {
      isDraining = true;
      forwarder.drain();
      heldBack.forEach((release) => {
        release();
      });
      streams.forEach((stream) => stream.destroy());
    },
    close() {
      forwarder.close();
    },
  };
}

/** Node takes lines without a version for requests of HTTP/0.9, and of a repeated header what comes first. */
function isPlain({ httpVersion, headers, headersDistinct }: IncomingMessage): boolean {
  const hasHost = httpVersion === '1.0' || (httpVersion === '1.1' && headers.host !== undefined);
  return hasHost && repeatedHeader(headersDistinct) === undefined;
}

/**
 * HTTP clients offer newer HTTP or TLS with each request (`Upgrade: h2c`: Java's, curl's with --http2; `TLS/1.2`: Apache's), and go on in
 * HTTP/1.1 when the server ignores the offer. Any other upgrade, such as a WebSocket, cannot use an answer.
 */
const IGNORED_UPGRADES = /^\s*(?:h2c?|HTTP\/\d(?:\.\d)?|TLS\/\d\.\d)\s*$/i;

function canIgnore(upgrade: string | undefined): boolean {
  return upgrade === undefined || upgrade.split(',').every((protocol) => IGNORED_UPGRADES.test(protocol));
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}
