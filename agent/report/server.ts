import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { withoutSecrets, type Log } from '../shared/log.ts';
import { errorText } from '../shared/text.ts';

/** How long a client may take to send its request: these are pages for curl and Prometheus on this machine. */
const REQUEST_TIMEOUT_MS = 10_000;
/** How long an idle connection is kept: above Prometheus' usual scrape interval. */
const KEEP_ALIVE_MS = 20_000;
/** How often timeouts are looked after: Node's own 30 s would make them as long. */
const CHECK_EVERY_MS = 1_000;
/** The names of a thousand apps, many times over. */
const LARGEST_BODY_BYTES = 64 * 1024;
/** Many more than Prometheus and a few people need. */
const MOST_CONNECTIONS = 100;

/** What a page answers with. */
export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a page may want to know of its request. */
export interface PageRequest {
  /** The header of this name. */
  readonly authorization: string | undefined;
  /** The header of this name. */
  readonly accept: string | undefined;
  readonly query: URLSearchParams;
  /** '' without one. */
  readonly body: string;
}

/** A page by `METHOD /path`. */
export type Pages = Readonly<Record<string, (request: PageRequest) => Promise<Page>>>;

export function text(status: number, body: string): Page {
  return { status, type: 'text/plain; charset=utf-8', body: `${body}\n` };
}

export function json(status: number, body: unknown): Page {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(body, null, 2)}\n` };
}

/** Serves pages until the server is closed. No page holds one of the secrets. */
export async function serve(
  pages: Pages,
  listen: { host: string; port: number },
  secrets: readonly string[],
  log: Log,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    },
    (request, response) => {
      void answer(pages, request, response, secrets, log);
    },
  );
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxConnections = MOST_CONNECTIONS;
  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  return { url: urlOf(server), close: () => close(server) };
}

async function answer(
  pages: Pages,
  request: IncomingMessage,
  response: ServerResponse,
  secrets: readonly string[],
  log: Log,
): Promise<void> {
  const { path, query } = partsOf(request.url ?? '/');
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
  const page = Object.hasOwn(pages, `${method} ${path}`) ? pages[`${method} ${path}`] : undefined;
  const { authorization, accept } = request.headers;
  const received = await bodyOf(request);
  if (received === 'gone') return;
  const { status, type, body, headers } = await runPage(
    () => {
      if (received === 'too large') return Promise.resolve(text(413, 'The body is too large.'));
      return page?.({ authorization, accept, query, ...received }) ?? Promise.resolve(missing(pages, path));
    },
    path,
    secrets,
    log,
  );
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** The path of a request's target, and its query. */
export function partsOf(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const mark = target.indexOf('?');
  return mark === -1
    ? { path: target, query: new URLSearchParams() }
    : { path: target.slice(0, mark), query: new URLSearchParams(target.slice(mark + 1)) };
}

/** Reads a body to its end, also a larger one: the connection can then be used again. */
async function bodyOf(request: IncomingMessage): Promise<{ readonly body: string } | 'too large' | 'gone'> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes <= LARGEST_BODY_BYTES) chunks.push(chunk);
    }
  } catch {
    return 'gone';
  }
  return bytes > LARGEST_BODY_BYTES ? 'too large' : { body: Buffer.concat(chunks).toString('utf8') };
}

/** Runs a page. One that fails is a 500, and its reason is in the log. */
export async function runPage(
  page: () => Promise<Page>,
  path: string,
  secrets: readonly string[],
  log: Log,
): Promise<Page> {
  try {
    const { body, ...rest } = await page();
    // What Tsuru or Prometheus answered is quoted here and there, and may hold a secret.
    return { ...rest, body: withoutSecrets(body, secrets) };
  } catch (error) {
    log.error({ path, reason: errorText(error) }, 'a page failed');
    return text(500, 'This page failed: see the log.');
  }
}

function missing(pages: Pages, path: string): Page {
  const methods = Object.keys(pages).filter((key) => key.endsWith(` ${path}`));
  if (methods.length > 0) return text(405, `Use ${methods.join(' or ')}.`);
  return text(404, `No such page: there are ${Object.keys(pages).join(', ')}.`);
}

/** Where a server listens. */
export function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
