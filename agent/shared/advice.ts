/** Answers that send a client elsewhere. */
const REDIRECTS = [301, 302, 303, 307, 308];
/** What servers of TLS say to plain HTTP: Go's, and nginx. */
const WANTS_TLS = /HTTP request (?:to an HTTPS server|was sent to HTTPS port)/i;
/** What OpenSSL says of a server that answers in plain HTTP. */
const SPEAKS_NO_TLS = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'];
/** A certificate of a CA that is not known here. */
const UNKNOWN_CA = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];

export function isRedirect(status: number): boolean {
  return REDIRECTS.includes(status);
}

/**
 * What to do about a redirect of Tsuru's, which nobody follows, as it would carry the token elsewhere. `path` is that of the request, with its
 * query, below Tsuru's address.
 */
export function redirectAdvice(tsuru: URL, path: string, location: string | undefined): string {
  const asked = new URL(`${prefixOf(tsuru)}${path}`, tsuru);
  const led = location === undefined ? null : URL.parse(location, asked.href);
  if (led === null || !['http:', 'https:'].includes(led.protocol)) return 'set TSURU_HOST to the address of its API';
  const host = hostLedTo(tsuru, asked.pathname.slice(prefixOf(tsuru).length), led);
  const where = `${led.origin}${led.pathname}`;
  if (host === undefined) return `it leads to ${where}: set TSURU_HOST to the address of its API`;
  if (tsuru.protocol === 'https:' && led.protocol === 'http:')
    return `it leads from https:// to ${where}, which would show the token to everybody on the way: correct its proxy`;
  return `set TSURU_HOST to ${host}`;
}

/** Tsuru's address after which the same request would not have been redirected; undefined if this is not one of the API. */
function hostLedTo(tsuru: URL, path: string, led: URL): string | undefined {
  const isWhole = led.pathname.endsWith(path);
  // A proxy that forgets the path has another address anyway.
  const isRoot = led.pathname === '/' && led.origin !== tsuru.origin;
  if (!isWhole && !isRoot) return undefined;
  const host = `${led.origin}${isWhole ? led.pathname.slice(0, -path.length) : ''}`;
  return host === `${tsuru.origin}${prefixOf(tsuru)}` ? undefined : host;
}

/** What to do where Tsuru answers plain HTTP with a complaint; undefined for other answers. */
export function plainAdvice(tsuru: URL, status: number, words: string): string | undefined {
  return status === 400 && tsuru.protocol === 'http:' && WANTS_TLS.test(words)
    ? `set TSURU_HOST to ${withProtocol(tsuru, 'https:')}`
    : undefined;
}

/** What to do about a connection that could not be made, by the code of its error; undefined for other errors. */
export function tlsAdvice(tsuru: URL, code: string | undefined): string | undefined {
  if (code === undefined) return undefined;
  if (SPEAKS_NO_TLS.includes(code))
    return `this port speaks no TLS: set TSURU_HOST to the address that does, or to ${withProtocol(tsuru, 'http:')}`;
  return UNKNOWN_CA.includes(code) ? 'set CA_CERTIFICATES to the certificate of its CA' : undefined;
}

function withProtocol(tsuru: URL, protocol: string): string {
  return `${protocol}//${tsuru.host}${prefixOf(tsuru)}`;
}

function prefixOf(tsuru: URL): string {
  return tsuru.pathname.replace(/\/$/, '');
}
