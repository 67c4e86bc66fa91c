import { shortLine } from '../../shared/text.ts';
import type { LogLine } from '../api/logfmt.ts';

/** This many are named; more did not run at once on a small instance. */
const MOST_NAMED = 3;
/** A query can be a thousand characters long. */
const LONGEST_QUERY = 200;
const MESSAGE = "These queries didn't finish";

/**
 * The queries that ran when Prometheus ended, in a sentence, from the line of its next start that names them; undefined for any other line.
 * That line holds JSON that may be cut anywhere, as the file that it comes from.
 */
export function unfinishedQueries({ message, fields }: LogLine): string | undefined {
  const { queries: listed } = fields;
  if (!message.startsWith(MESSAGE) || typeof listed !== 'string') return undefined;
  const queries = [...listed.matchAll(/"query":"((?:[^"\\]|\\.)*)/g)].map(([, query = '']) =>
    shortLine(unescaped(query), LONGEST_QUERY),
  );
  const named = [...new Set(queries)].filter((query) => query !== '');
  if (named.length === 0) return undefined;
  const more = named.length > MOST_NAMED ? ` and ${named.length - MOST_NAMED} more` : '';
  return `Prometheus ended while it ran ${named.slice(0, MOST_NAMED).join(' and ')}${more}: ask for fewer series or steps if memory ran out`;
}

/** What is cut inside an escape stays as it is. */
function unescaped(query: string): string {
  try {
    return String(JSON.parse(`"${query}"`));
  } catch {
    return query;
  }
}
