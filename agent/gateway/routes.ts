/** Who answers, and what it counts as. */
export type Kind =
  /** The gateway itself, without a password. */
  | 'health'
  /** One of the agent's own pages. */
  | 'agent'
  /** Prometheus' UI with its assets, and what the API tells without reading series. */
  | 'ui'
  /** Reads series: one of a limited number. */
  | 'query'
  /** A stream of notifications, open as long as the tab is. */
  | 'live';

interface Route {
  readonly kind: Kind;
  readonly methods: readonly string[];
}

const READ = ['GET', 'HEAD'];
const READ_OR_POST = [...READ, 'POST'];

/**
 * Every path that is answered, by what Prometheus 2.42 (classic UI and React UI) and 3.16 register in web.go and api.go. Left out on purpose:
 * /-/reload, /-/quit, /debug, /api/v1/admin, /api/v1/write and /api/v1/otlp (they change or burden Prometheus), /api/v1/read (raw samples
 * in bulk), /consoles and /user (files of the server). What is not here is refused.
 */
const HEALTH = ['/-/healthy', '/-/ready'];
const AGENT = [
  ...['/', '/metrics', '/tsuru/status', '/tsuru/page.css', '/tsuru/page.js', '/tsuru/icon.svg'],
  ...['datasource.yaml', 'dashboards.yaml', 'app.json', 'instance.json'].map((file) => `/tsuru/grafana/${file}`),
];
const AGENT_POST = ['/tsuru/access', '/tsuru/poll'];
const LIVE = ['/api/v1/notifications/live'];
const UI = [
  ...['/alerts', '/config', '/flags', '/graph', '/rules', '/service-discovery', '/starting', '/status', '/targets'],
  ...['/alertmanager-discovery', '/query', '/tsdb-status'],
  ...['/favicon.ico', '/favicon.svg', '/manifest.json', '/version'],
  ...['/graph/', '/classic', '/classic/', '/classic/alerts', '/classic/config', '/classic/flags', '/classic/graph'],
  ...['/classic/rules', '/classic/service-discovery', '/classic/status', '/classic/targets'],
  ...['alertmanagers', 'alerts', 'features', 'metadata', 'notifications', 'openapi.yaml', 'rules'].map(api),
  ...['scrape_pools', 'scrape_pools/config', 'targets', 'targets/metadata', 'targets/relabel_steps'].map(api),
  ...['buildinfo', 'config', 'flags', 'runtimeinfo', 'self_metrics', 'tsdb', 'tsdb/blocks', 'walreplay'].map((page) =>
    api(`status/${page}`),
  ),
];
const UI_FILES = ['/assets/', '/static/', '/classic/static/'];
const UI_POST = ['format_query', 'parse_query'].map(api);
const QUERIES = ['/federate'];
const QUERIES_POST = [
  ...['query', 'query_range', 'query_exemplars', 'series', 'labels'].map(api),
  ...['search/metric_names', 'search/label_names', 'search/label_values'].map(api),
];
/** Prometheus 3 takes names in UTF-8, percent-encoded or escaped (`U__...`); Prometheus 2 says that they are invalid. */
const LABEL_VALUES = /^\/api\/v1\/label\/(?!\.{1,2}\/)(?:[\w.~!*'()-]|%(?!2F)[0-9A-F]{2})+\/values$/;

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ...HEALTH.map((path) => [path, { kind: 'health', methods: READ }] as const),
  ...AGENT.map((path) => [path, { kind: 'agent', methods: READ }] as const),
  ...AGENT_POST.map((path) => [path, { kind: 'agent', methods: ['POST'] }] as const),
  ...LIVE.map((path) => [path, { kind: 'live', methods: READ }] as const),
  ...UI.map((path) => [path, { kind: 'ui', methods: READ }] as const),
  ...UI_POST.map((path) => [path, { kind: 'ui', methods: READ_OR_POST }] as const),
  ...QUERIES.map((path) => [path, { kind: 'query', methods: READ }] as const),
  ...QUERIES_POST.map((path) => [path, { kind: 'query', methods: READ_OR_POST }] as const),
]);

export type Routed =
  { readonly found: true; readonly kind: Kind } | { readonly found: false; readonly allowed: readonly string[] };

/** What a path is. When it is not found, `allowed` has the methods it takes instead: none when there is no such path. */
export function routeOf(method: string, path: string): Routed {
  const route = ROUTES.get(path) ?? patternOf(path);
  if (route === undefined) return { found: false, allowed: [] };
  const { kind, methods } = route;
  return methods.includes(method) ? { found: true, kind } : { found: false, allowed: methods };
}

function patternOf(path: string): Route | undefined {
  if (LABEL_VALUES.test(path)) return { kind: 'query', methods: READ };
  return UI_FILES.some((folder) => path.startsWith(folder) && path.length > folder.length)
    ? { kind: 'ui', methods: READ }
    : undefined;
}

function api(path: string): string {
  return `/api/v1/${path}`;
}
