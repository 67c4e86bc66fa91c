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

/** What is shown in place of a secret. */
export const SECRET_SHOWN = '<secret>';

/** Whether a secret is long enough to be blanked out. */
export function isSecret({ length }: string): boolean {
  return length >= SHORTEST_SECRET;
}

/** A text in which each secret is blanked out. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .filter(isSecret)
    .reduce((rest, secret) => rest.replaceAll(secret, SECRET_SHOWN).replaceAll(inJson(secret), SECRET_SHOWN), text);
}
