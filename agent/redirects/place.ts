import { shortLine } from '../shared/text.ts';

/** Prometheus' own limit of a header is far above; a path of metrics is short. */
const LONGEST_LOCATION = 1_000;
/** How much of a Location a sentence quotes. */
const LONGEST_QUOTE = 100;
export const PATH_LABEL = '__metrics_path__';
const SCHEME_LABEL = '__scheme__';
const ADDRESS_LABEL = '__address__';
const PARAMETER_PREFIX = '__param_';

export type Labels = Readonly<Record<string, unknown>>;

/** Where below its address a target is scraped. */
export interface Place {
  /** As Prometheus takes it: decoded. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
}

/** What a Location means for the target that answered with it; `why` ends a sentence. */
export type Destination =
  { readonly kind: 'place'; readonly place: Place } | { readonly kind: 'refused'; readonly why: string };

/** The URL that Prometheus asks for a target with these labels; undefined when they make none. */
export function urlOf(labels: Labels): URL | undefined {
  const url = URL.parse(`${text(labels[SCHEME_LABEL]) || 'http'}://${text(labels[ADDRESS_LABEL])}`);
  if (url === null) return undefined;
  const { path, query } = placeOf(labels);
  // The setter leaves a % as it is.
  url.pathname = path.replaceAll('%', '%25');
  url.search = new URLSearchParams(query).toString();
  return url;
}

/** Where a target with these labels is scraped. */
export function placeOf(labels: Labels): Place {
  const query = Object.entries(labels).flatMap(([name, value]): [string, string][] =>
    name.startsWith(PARAMETER_PREFIX) ? [[name.slice(PARAMETER_PREFIX.length), text(value)]] : [],
  );
  return { path: text(labels[PATH_LABEL]) || '/metrics', query: Object.fromEntries(query) };
}

/** The same labels for another place. */
export function relabel(labels: Readonly<Record<string, string>>, { path, query }: Place): Record<string, string> {
  const rest = Object.entries(labels).filter(([name]) => name !== PATH_LABEL && !name.startsWith(PARAMETER_PREFIX));
  return {
    ...Object.fromEntries(rest),
    [PATH_LABEL]: path,
    ...Object.fromEntries(Object.entries(query).map(([name, value]) => [`${PARAMETER_PREFIX}${name}`, value])),
  };
}

/** A place in one line, the same for the same place. */
export function placeText({ path, query }: Place): string {
  const parameters = new URLSearchParams(query);
  parameters.sort();
  const search = parameters.toString();
  return search === '' ? path : `${path}?${search}`;
}

/**
 * Where the answer to a request for `asked` sends its client. Only the same scheme, host and port are a place: what is elsewhere is another
 * server, which a target could make Prometheus ask.
 */
export function destinationOf(asked: URL, location: string | undefined): Destination {
  if (location === undefined || location === '') return refused('it names no Location');
  if (location.length > LONGEST_LOCATION) return refused(`its Location has more than ${LONGEST_LOCATION} characters`);
  // Other characters are read in more than one way.
  if (!/^[\x21-\x5b\x5d-\x7e]+$/.test(location)) return refused('its Location has characters that a URL cannot have');
  const url = URL.parse(location, asked.href);
  if (url === null) return refused('its Location is no URL');
  if (url.username !== '' || url.password !== '') return refused('its Location has a user or a password');
  if (url.protocol !== asked.protocol || url.host !== asked.host)
    return refused(`${quote(url)} has another scheme, host or port`);
  const path = decodePath(url.pathname);
  if (path === undefined) return refused(`Prometheus cannot ask for the path of ${quote(url)}`);
  const query = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (!/^[a-zA-Z0-9_]+$/.test(name) || value === '' || /\p{Cc}/u.test(value) || query.has(name))
      return refused(`Prometheus cannot send the parameters of ${quote(url)}`);
    query.set(name, value);
  }
  return { kind: 'place', place: { path, query: Object.fromEntries(query) } };
}

function refused(why: string): Destination {
  return { kind: 'refused', why };
}

/** Prometheus is given the decoded path and encodes it itself, which an encoded slash does not survive. */
function decodePath(path: string): string | undefined {
  if (/%2f/i.test(path)) return undefined;
  try {
    const decoded = decodeURIComponent(path);
    return /\p{Cc}/u.test(decoded) ? undefined : decoded;
  } catch {
    return undefined;
  }
}

/** Without its query, which may hold a secret. */
function quote({ origin, protocol, pathname }: URL): string {
  return shortLine(`${origin === 'null' ? protocol : origin}${pathname}`, LONGEST_QUOTE);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
