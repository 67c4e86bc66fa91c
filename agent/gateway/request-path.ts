/** No path of Prometheus needs more, but for the name of a label. With `%` and `\` out of it, a path means the same to everyone who reads it. */
const SEGMENTS = /^(?:\/[A-Za-z0-9_.~+@=,-]*)+$/;
/** The values of a label: its name, which may be any text since Prometheus 3, is the one segment with other characters. */
const LABEL_VALUES = /^(\/+api\/+v1\/+label\/+)([\x21-\x2e\x30-\x7e]+)(\/+values)$/;
/** Visible ASCII characters: what does not belong into a URL, but is sent by hand (`up{job="x"}`), is Prometheus' to judge. */
const QUERY = /^[\x21-\x22\x24-\x7e]*$/;

/** The target of a request that is read in one way only. */
export interface Target {
  /** What it is looked up as: without empty segments, and with each label's name in one spelling. */
  readonly path: string;
  /** What Prometheus is asked for: the same with its query, and the empty segments that it came with. */
  readonly forwarded: string;
  /** Prometheus, too, answers a path with empty segments by a redirect to the one without them: this, with the query. */
  readonly redirect: string | undefined;
}

/**
 * Reads a request's target, whose bytes that are not ASCII are percent-encoded by now. Undefined when it is none that is answered: not in origin form
 * (`http://...`, `*`), with encoded or odd characters outside of a label's name, with `.` or `..`, with a fragment.
 */
export function targetOf(raw: string): Target | undefined {
  const end = raw.indexOf('?');
  const written = end === -1 ? raw : raw.slice(0, end);
  const query = end === -1 ? '' : raw.slice(end);
  if (!QUERY.test(query)) return undefined;
  const path = withLabelName(written);
  if (path === undefined) return undefined;
  const whole = path.replace(/\/{2,}/g, '/');
  return { path: whole, forwarded: path + query, redirect: whole === path ? undefined : whole + query };
}

/** The path as it came, but for a label's name, which gets its one spelling. */
function withLabelName(written: string): string | undefined {
  const [, before = '', name = '', after = ''] = LABEL_VALUES.exec(written) ?? [];
  const isLabel = name !== '';
  const spelled = isLabel ? spelledOnce(name) : undefined;
  if (isLabel && spelled === undefined) return undefined;
  const path = spelled === undefined ? written : `${before}${spelled}${after}`;
  const others = spelled === undefined ? written : `${before}${after}`;
  const isPlain = SEGMENTS.test(others) && others.split('/').every((segment) => segment !== '.' && segment !== '..');
  return isPlain ? path : undefined;
}

/**
 * Undefined for what is no text in UTF-8, and for what somebody could take for more than one segment: a slash, `.`, `..`, or what has still
 * something to decode once it is decoded.
 */
function spelledOnce(name: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(name);
  } catch {
    return undefined;
  }
  const isOneSegment = !/\/|%[0-9a-f]{2}/i.test(decoded) && decoded !== '.' && decoded !== '..';
  return isOneSegment ? encodeURIComponent(decoded) : undefined;
}
