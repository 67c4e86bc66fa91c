import type { IncomingHttpHeaders } from 'node:http';

/**
 * What Prometheus is told of a request. All else stays outside: the password, cookies, X-Forwarded-*, Origin (to which it would answer with
 * CORS headers), and what is about a connection and not about the request.
 */
const REQUEST_HEADERS = [
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-length',
  'content-type',
  'if-modified-since',
  'if-none-match',
  'last-event-id',
  'range',
  'user-agent',
] as const;

/** The headers of Prometheus' answer that a client gets. */
const ANSWER_HEADERS = [
  'accept-ranges',
  'allow',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'date',
  'etag',
  'expires',
  'last-modified',
  'location',
  'retry-after',
  'vary',
] as const;

/** Headers that change what a request is: with two of one of them, two readers may understand two requests. */
const SINGLE_HEADERS = [
  'authorization',
  'content-length',
  'content-type',
  'expect',
  'host',
  'transfer-encoding',
  'upgrade',
];

/** Prometheus' UIs have inline scripts, styles and small images; nothing comes from elsewhere. */
const UI_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "object-src 'none'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** An answer that is no page of the UI loads nothing. */
const STRICT_POLICY = "default-src 'none'; frame-ancestors 'none'";

export function securityHeaders(isPageOfUi: boolean): Readonly<Record<string, string>> {
  return {
    'content-security-policy': isPageOfUi ? UI_POLICY : STRICT_POLICY,
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  };
}

export function requestHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return pick(headers, REQUEST_HEADERS);
}

export function answerHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return pick(headers, ANSWER_HEADERS);
}

/** A header that came more than once though it must not. */
export function repeatedHeader(headers: NodeJS.Dict<string[]>): string | undefined {
  return SINGLE_HEADERS.find((name) => (headers[name]?.length ?? 0) > 1);
}

function pick(headers: IncomingHttpHeaders, names: readonly string[]): IncomingHttpHeaders {
  return Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
}
