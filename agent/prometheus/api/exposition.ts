/**
 * The value of a sample in a page of metrics (text format 0.0.4), by its name and the labels that it must have; undefined without one.
 * Only lines of that name are looked at: a page of Prometheus' own has some thousand others.
 */
export function sampleOf(
  page: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  for (const { labels: has, value } of samplesOf(page, name)) {
    if (Object.entries(labels).every(([label, wanted]) => has.get(label) === wanted)) return value;
  }
  return undefined;
}

/** Each sample of this name, in the order of the page. */
export function* samplesOf(
  page: string,
  name: string,
): Generator<{ readonly labels: ReadonlyMap<string, string>; readonly value: number }> {
  for (let start = page.indexOf(name); start !== -1; start = page.indexOf(name, start + name.length)) {
    if (start > 0 && page[start - 1] !== '\n') continue;
    const end = page.indexOf('\n', start);
    const line = page.slice(start, end === -1 ? undefined : end);
    const parts = /^[\w:]+(?:\{(.*)\})? (\S+)/.exec(line);
    if (parts === null || !line.startsWith(`${name}${parts[1] === undefined ? ' ' : '{'}`)) continue;
    yield { labels: labelsOf(parts[1] ?? ''), value: Number(parts[2]) };
  }
}

function labelsOf(text: string): ReadonlyMap<string, string> {
  const pairs = text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g);
  return new Map(Array.from(pairs, ([, name = '', value = '']) => [name, unescape(value)]));
}

function unescape(value: string): string {
  return value.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
}
