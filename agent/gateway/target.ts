/** No path of Prometheus needs more. With `%` and `\` out of it, a path means the same to everyone who reads it. */
const SEGMENTS = /^(?:\/[A-Za-z0-9_.~+@=,-]*)+$/;
/** Visible ASCII characters: what does not belong into a URL, but is sent by hand (`up{job="x"}`), is Prometheus' to judge. */
const QUERY = /^[\x21-\x22\x24-\x7e]*$/;

/**
 * The path of a request's target, or undefined when the target is none that is answered: not in origin form (`http://...`, `*`), with
 * encoded or odd characters in its path, with empty segments, `.` or `..`, with a fragment.
 */
export function pathOf(target: string): string | undefined {
  const end = target.indexOf('?');
  const path = end === -1 ? target : target.slice(0, end);
  if (!SEGMENTS.test(path) || !QUERY.test(end === -1 ? '' : target.slice(end + 1))) return undefined;
  const segments = path.slice(1).split('/');
  const isPlain = segments.every(
    (segment, index) => (segment !== '' || index === segments.length - 1) && segment !== '.' && segment !== '..',
  );
  return isPlain ? path : undefined;
}
