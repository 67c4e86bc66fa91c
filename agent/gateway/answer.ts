import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Page } from '../report/server.ts';
import { securityHeaders } from './headers.ts';

type Headers = Readonly<Record<string, string>>;

/** Answers with a page, unless an answer has begun. */
export function send(response: ServerResponse, page: Page, headers: Headers = {}): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(page.status, { ...headersOf(page), ...headers });
  response.end(page.body);
}

/** Answers on a connection that has brought no request that could be read, and ends it. */
export function sendRaw(socket: Duplex, page: Page): void {
  const headers = Object.entries({ ...headersOf(page), connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const head = `HTTP/1.1 ${page.status} ${STATUS_CODES[page.status] ?? ''}`;
  socket.end(`${[head, ...headers].join('\r\n')}\r\n\r\n${page.body}`, () => {
    socket.destroy();
  });
}

function headersOf({ type, body, headers }: Page): Headers {
  return {
    ...securityHeaders(false),
    'cache-control': 'no-store',
    'content-length': String(Buffer.byteLength(body)),
    'content-type': type,
    ...headers,
  };
}
