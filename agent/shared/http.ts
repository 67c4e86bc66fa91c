import undiciRequest from 'undici/lib/api/api-request.js';
import errors from 'undici/lib/core/errors.js';
import Pool from 'undici/lib/dispatcher/pool.js';

/** How long an idle connection is kept: longer than the longest usual wait between polls and scrapes, so that they share one. */
const KEEP_ALIVE_MS = 60_000;

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With its query, below the client's address. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Instead of the client's own. */
  readonly answerTimeoutMs?: number;
  /** Told the answer's headers as soon as it begins. */
  readonly onHeaders?: (status: number, headers: Readonly<Record<string, string | string[] | undefined>>) => void;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** The body in the pieces in which it came: a large one is only put together when that is needed. */
  readonly chunks: readonly Buffer[];
}

/** Requests to one server over kept-alive connections, with limits on the time and size of each answer. It follows no redirect. */
export interface HttpClient {
  /** Resolves with any whole answer. Rejects with undici's error, or the signal's reason. */
  request(request: HttpRequest): Promise<HttpAnswer>;
  readonly close: () => Promise<void>;
}

export interface HttpClientOptions {
  readonly url: URL;
  readonly connectTimeoutMs: number;
  /** Of the headers, and of each piece of the body. */
  readonly answerTimeoutMs: number;
  readonly largestAnswerBytes: number;
  /** Requests beyond these wait; null: none waits. */
  readonly connections: number | null;
}

/**
 * Undici's pool and request, imported by file: with the whole of undici (its fetch, WebSocket, caches, mocks) a process takes 14 MB more,
 * measured on Node 24 as resident memory right after the import (71 MB to 57 MB, of which an empty process takes 42 MB).
 */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { url, answerTimeoutMs } = options;
  const pool = new Pool(url.origin, {
    connections: options.connections,
    connect: { timeout: options.connectTimeoutMs },
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    maxResponseSize: options.largestAnswerBytes,
  });
  const prefix = url.pathname.replace(/\/$/, '');
  return {
    async request({ method, path, headers = {}, body = null, onHeaders, signal, ...request }) {
      const timeoutMs = request.answerTimeoutMs ?? answerTimeoutMs;
      const response = await undiciRequest.call(pool, {
        ...{ method, path: `${prefix}${path}`, headers, body, signal },
        ...{ headersTimeout: timeoutMs, bodyTimeout: timeoutMs },
      });
      onHeaders?.(response.statusCode, response.headers);
      const chunks: Buffer[] = [];
      for await (const chunk of response.body) chunks.push(chunk as Buffer);
      return { status: response.statusCode, chunks };
    },
    close: () => pool.destroy(),
  };
}

/** What went wrong with a request that was not answered whole. */
export function httpFailure(error: unknown): 'too_large' | 'timeout' | 'network' {
  if (error instanceof errors.ResponseExceededMaxSizeError) return 'too_large';
  const timeouts = [errors.ConnectTimeoutError, errors.HeadersTimeoutError, errors.BodyTimeoutError];
  const timedOut = timeouts.some((kind) => error instanceof kind);
  return timedOut || (error instanceof DOMException && error.name === 'TimeoutError') ? 'timeout' : 'network';
}
