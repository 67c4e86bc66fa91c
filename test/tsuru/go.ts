// tsurud is written in Go: what its encoders write, so that answers look alike to the letter.

/** How Go writes the zero time: a token that never expires, or was never used. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

/** One JSON value as Go's encoder writes it: HTML characters escaped, a newline at the end. */
export function goJson(value: unknown): string {
  return `${JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, escapeCharacter)}\n`;
}

/** A string as `%q` writes it. */
export function goQuote(text: string): string {
  return JSON.stringify(text);
}

/** A key or a value of a form as url.Values writes it. */
export function goQueryEscape(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1).replaceAll('%7E', '~').replaceAll('*', '%2A');
}

/** A time with whole seconds, as in the text of a locked event. */
export function goSeconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** A time as in the log of an event. */
export function goLogTime(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} +0000`;
}

/** `%#v` of url.Values, as in the text of a form that could not be decoded. */
export function goValues(values: ReadonlyMap<string, readonly string[]>): string {
  const entries = [...values].sort(([a], [b]) => (a < b ? -1 : 1));
  const written = entries.map(([key, items]) => `${goQuote(key)}:[]string{${items.map(goQuote).join(', ')}}`);
  return `url.Values{${written.join(', ')}}`;
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
