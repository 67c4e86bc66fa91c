/** Links into the UI of Prometheus, which has its pages beside this one. */
export interface Links {
  /** The page of queries with this one filled in, as a table or as a graph. */
  readonly query: (expression: string, tab?: 'table' | 'graph') => string;
}

/** Prometheus 2 has its queries at `/graph`, and so does one that has not told its version: Prometheus 3 leads on from there. */
export function linksFor(version: string | null): Links {
  const path = version === null || version.startsWith('2.') ? '/graph' : '/query';
  return {
    query(expression, tab = 'graph') {
      const query = new URLSearchParams({
        'g0.expr': expression,
        'g0.tab': tab === 'graph' ? '0' : '1',
        'g0.range_input': '1h',
      });
      return `${path}?${query.toString()}`;
    },
  };
}

/** A selector of PromQL; values may be any text. */
export function selector(metric: string, labels: Readonly<Record<string, string>>): string {
  const matchers = Object.entries(labels).map(([name, value]) => `${name}=${quoted(value)}`);
  return isPlainName(metric)
    ? `${metric}${matchers.length === 0 ? '' : `{${matchers.join(',')}}`}`
    : `{${[`__name__=${quoted(metric)}`, ...matchers].join(',')}}`;
}

function isPlainName(metric: string): boolean {
  return /^[a-zA-Z_:][\w:]*$/.test(metric);
}

function quoted(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}
