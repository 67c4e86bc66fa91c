/** Links into the UI of Prometheus, which has its pages beside this one. */
export interface Links {
  /** The page of queries with this one filled in, as a table or as a graph. */
  readonly query: (expression: string, tab?: 'table' | 'graph') => string;
  /** Another of its pages. */
  readonly page: (name: 'targets' | 'alerts' | 'rules' | 'config') => string;
}

/** Where Prometheus 2 has its queries, and leads on from in Prometheus 3. */
const USUAL_HOME = '/graph';
const HOME = /^(?<folder>\/classic)?\/(?:graph|query)$/;

/** Beside its page of queries, which is in a folder of its own in some packages. */
export function linksFor(home: string | undefined): Links {
  const known = HOME.exec(home ?? '');
  const path = known?.[0] ?? USUAL_HOME;
  const folder = known?.groups?.['folder'] ?? '';
  return {
    page: (name) => `${folder}/${name}`,
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
