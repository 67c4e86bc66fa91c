import type { LogLine } from '../prometheus/api/logfmt.ts';
import { shortLine } from '../shared/text.ts';
import type { FailureKind } from './observation.ts';

/** An error stands in a sentence, between what fails and what to do. */
const LONGEST_ERROR = 160;
/** What is configured is a few; names that are gone are forgotten. */
const MOST_KEPT = 100;

/** The last errors that Prometheus logged, by what they are about. */
export interface LastErrors {
  /** A line of the log of the agent's own Prometheus. */
  readonly onLine: (line: LogLine) => void;
  of(kind: FailureKind, key: string): string | undefined;
}

export function createLastErrors(): LastErrors {
  const errors = new Map<string, string>();
  return {
    onLine(line) {
      const read = readError(line);
      if (read === undefined) return;
      const key = keyOf(read.kind, read.key);
      errors.delete(key);
      errors.set(key, cleanError(read.error));
      for (const oldest of [...errors.keys()].slice(0, -MOST_KEPT)) errors.delete(oldest);
    },
    of: (kind, key) => errors.get(keyOf(kind, key)),
  };
}

function keyOf(kind: FailureKind, key: string): string {
  return `${kind} ${key}`;
}

/** What a line says of a receiver that fails, in the format of Prometheus 2.42 to 3.14; undefined when it is about something else. */
export function readError({
  message,
  fields,
}: LogLine): { readonly kind: FailureKind; readonly key: string; readonly error: string } | undefined {
  const { err: error, alertmanager, remote_name: remoteName } = fields;
  if (typeof error !== 'string') return undefined;
  if (typeof alertmanager === 'string' && /^Error sending alerts?$/.test(message))
    return { kind: 'alertmanager', key: alertmanager, error };
  if (typeof remoteName === 'string' && /^(?:Failed to send batch, retrying|non-recoverable error)$/.test(message))
    return { kind: 'remote_write', key: remoteName, error };
  return undefined;
}

/** A short error: of URLs only the host, as the rest may hold secrets. */
export function cleanError(error: string): string {
  const words = error
    // Go's HTTP client writes the request in front.
    .replace(/^[A-Z][a-z]+ "[^"]*": /, '')
    .replace(/^server returned /, '')
    .replace(/\b[a-z][a-z\d+.-]*:\/\/[^\s"'<>]+/gi, (url) => URL.parse(url)?.host ?? 'a URL');
  return shortLine(words, LONGEST_ERROR);
}
