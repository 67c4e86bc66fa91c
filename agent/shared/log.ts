import { pino, stdTimeFunctions, type Logger } from 'pino';

export type Log = Logger;

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * The log of a program: one JSON object a line (`level`, `time`, the line's own fields, `msg`), made for `tsuru app-log`, which adds the
 * unit itself. Errors are passed as text.
 */
export function createLog(level: LogLevel, secrets: readonly string[]): Log {
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // What others answer may quote a secret: no line leaves with one.
    hooks: { streamWrite: (line: string) => withoutSecrets(line, secrets) },
  };
  return pino(options);
}

/** A shorter secret is part of ordinary words: blanking it out would reveal it, and hide everything else. */
const SHORTEST_SECRET = 6;

/** As it stands in a line of JSON. */
function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** A text in which each secret is blanked out. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .filter(({ length }) => length >= SHORTEST_SECRET)
    .reduce((rest, secret) => rest.replaceAll(secret, '<secret>').replaceAll(inJson(secret), '<secret>'), text);
}
