import type { IncomingMessage } from 'node:http';
import { gunzipSync, inflateSync } from 'node:zlib';
import { shortLine } from '../shared/text.ts';

/** The settings whose limit stops a query. */
export type QueryLimit = 'query_max_samples' | 'query_timeout';

/** The largest answer that is read for an error. */
const MOST_BYTES = 16 * 1024;
const LONGEST_ERROR = 160;
const STATUSES = [422, 503];
/** As Prometheus 2.42 and 3.14 write them. Other errors of these statuses are about the query itself, or Prometheus is not ready. */
const SAYS: readonly (readonly [says: RegExp, limit: QueryLimit])[] = [
  [/too many samples/, 'query_max_samples'],
  [/^query timed out/, 'query_timeout'],
];

export type OnStopped = (limit: QueryLimit, error: string) => void;

/** Tells when an answer of Prometheus says that it has stopped a query; the answer goes to its client anyway. */
export function watchStopped(answer: IncomingMessage, onStopped: OnStopped): void {
  if (!STATUSES.includes(answer.statusCode ?? 0)) return;
  const chunks: Buffer[] = [];
  let size = 0;
  answer.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MOST_BYTES) chunks.push(chunk);
  });
  answer.once('end', () => {
    if (size > MOST_BYTES) return;
    const error = errorIn(Buffer.concat(chunks), answer.headers['content-encoding']);
    const limit = SAYS.find(([says]) => says.test(error))?.[1];
    if (limit !== undefined) onStopped(limit, shortLine(error, LONGEST_ERROR));
  });
}

/** '' for what is no error of Prometheus' API. */
function errorIn(body: Buffer, encoding: string | undefined): string {
  try {
    const answer: unknown = JSON.parse(decoded(body, encoding).toString('utf8'));
    return typeof answer === 'object' && answer !== null && 'error' in answer ? String(answer.error) : '';
  } catch {
    return '';
  }
}

function decoded(body: Buffer, encoding: string | undefined): Buffer {
  const limit = { maxOutputLength: MOST_BYTES };
  if (encoding === 'gzip') return gunzipSync(body, limit);
  return encoding === 'deflate' ? inflateSync(body, limit) : body;
}
