import leven from 'leven';

/** The order of everything that is written: by code unit, so that it is the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `1 unit`, `2 units`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Some names in a sentence: `a, b, c and 4 more`. Sentences, which have commas of their own, are better separated by `; `. */
export function listNames(names: readonly string[], shown = 3, separator = ', '): string {
  const rest = names.length - shown;
  return rest > 0 ? `${names.slice(0, shown).join(separator)} and ${rest} more` : names.join(separator);
}

/** A text on one line, without what would do something to a terminal. */
export function oneLine(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim();
}

/** The same, cut where it is longer than this many characters. */
export function shortLine(text: string, most: number): string {
  const line = oneLine(text);
  // Not in the middle of a character.
  return line.length > most ? `${line.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…` : line;
}

/** An error's message with those of its causes, which often name the reason (`fetch failed: connect ECONNREFUSED`). */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const own = error.message === '' ? code || error.name : error.message;
  return error.cause === undefined ? own : `${own.replace(/\.$/, '')}: ${errorText(error.cause)}`;
}

/** `, did you mean "interval"?` when one of the known words is a slip of the fingers away, else nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const nearest = known
    .map((candidate) => ({ candidate, distance: leven(word, candidate) }))
    .sort((a, b) => a.distance - b.distance || compareText(a.candidate, b.candidate))[0];
  const allowed = Math.max(1, Math.floor(word.length / 4));
  return nearest !== undefined && nearest.distance <= allowed ? `, did you mean "${nearest.candidate}"?` : '';
}
