const PAIR = /([^\s="]+)=(?:"((?:[^"\\]|\\.)*)(?:"|\\?$)|(\S*))/y;
const SPACE = / */y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

/** What a process wrote: a line of logfmt, read; or any other line in `message`. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * The fields of a line that Prometheus logs with `--log.format=logfmt`; undefined for any other line, such as a panic. The last value may be
 * cut.
 */
export function readLogfmt(text: string): Readonly<Record<string, string>> | undefined {
  if (!/^(ts|time|level|caller)=/.test(text)) return undefined;
  const fields: Record<string, string> = {};
  let position = 0;
  while (position < text.length) {
    PAIR.lastIndex = position;
    const [pair = '', name = '', quoted, plain = ''] = PAIR.exec(text) ?? [];
    if (pair === '') return undefined;
    fields[name] = quoted === undefined ? plain : unquote(quoted);
    SPACE.lastIndex = position + pair.length;
    position = SPACE.lastIndex + (SPACE.exec(text)?.[0].length ?? 0);
  }
  return fields;
}

/** As Go quotes: `\u00e9` and `\x07` are characters by their numbers. */
function unquote(text: string): string {
  return text.replace(/\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|(.)|$)/gi, (_, unicode?: string, hex?: string, other = '') =>
    (unicode ?? hex) === undefined
      ? (ESCAPES[other as string] ?? String(other))
      : String.fromCharCode(parseInt(unicode ?? hex ?? '', 16)),
  );
}
