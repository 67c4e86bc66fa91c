import { VariableSort } from '@grafana/grafana-foundation-sdk/dashboard';
import { choice, dashboard, graph, labelVariable, stats, timeline } from './build.ts';

/** The series of what is chosen at the top. */
const CHOSEN = 'tsuru_app="$app", tsuru_process=~"$process", tsuru_version=~"$version", instance=~"$unit"';

/** What client libraries call the page of a request, and its status. An app has one of each, if any. */
const HANDLER_LABELS = ['handler', 'route', 'http_route', 'path', 'uri', 'endpoint', 'view'];
const STATUS_LABELS = ['code', 'status', 'status_code', 'http_status_code', 'http_response_status_code'];

/** Requests that an app answers: not those that it makes, nor those for its metrics, nor their sizes. */
const REQUESTS =
  '__name__=~".*http.*requests?.*(_total|_count)", __name__!~"promhttp_.*|.*(client|size|bytes|exception).*"';
const DURATIONS = '__name__=~".*http.*_seconds.*_count", __name__!~"promhttp_.*|.*client.*"';

const BY = '${by:raw}';
/** Grafana leaves out the labels that a series lacks. */
const legendOf = (labels: readonly string[]): string => labels.map((label) => `{{${label}}}`).join('');
const LEGEND = legendOf([...HANDLER_LABELS, 'tsuru_process', 'tsuru_version', 'instance']);

/** Names as values of a label: where an app has no such metric, the name is empty, and so is the graph. */
function rate(name: string, more = ''): string {
  return `rate({__name__="${name}", ${CHOSEN}${more}}[$__rate_interval])`;
}
const requests = rate('$requests');
const buckets = rate('${duration}_bucket');
/** Labels that a series lacks match the empty text alone, so each series is in one part at most, or the same in two. */
const withStatus = (pattern: string): string =>
  STATUS_LABELS.map((label) => rate('$requests', `, ${label}=~"${pattern}"`)).join(' or ');
const errors = withStatus('5..');
/** 0 where there are statuses and none is an error; nothing where there are no statuses: then errors are unknown. */
const errorRatio = `(sum(${errors}) or 0 * sum(${withStatus('.+')})) / sum(${requests})`;
const quantile = (share: number, by = ''): string => `histogram_quantile(${share}, sum by (le${by}) (${buckets}))`;

const NOW = stats([
  { title: 'Units', queries: { up: `sum(up{${CHOSEN}})`, scraped: `count(up{${CHOSEN}})` } },
  { title: 'Requests', unit: 'reqps', queries: { requests: `sum(${requests})` } },
  {
    title: 'Errors',
    description: 'Requests with a status of 500 and above. Empty where the counter has no label with the status.',
    unit: 'percentunit',
    queries: { errors: errorRatio },
    limits: [0.01, 0.05],
  },
  { title: 'Duration, p95', unit: 's', queries: { p95: quantile(0.95) } },
]);

const HTTP = [
  graph({ title: 'Requests by $by', unit: 'reqps', queries: { [LEGEND]: `sum by (${BY}) (${requests})` } }),
  graph({
    title: 'Errors by $by',
    description: 'The share of requests with a status of 500 and above.',
    unit: 'percentunit',
    queries: { [LEGEND]: `sum by (${BY}) (${errors}) / sum by (${BY}) (${requests})` },
  }),
  graph({ title: 'Duration by $by, p95', unit: 's', queries: { [LEGEND]: quantile(0.95, `, ${BY}`) } }),
  graph({
    title: 'Requests by status',
    unit: 'reqps',
    queries: { [legendOf(STATUS_LABELS)]: `sum by (${STATUS_LABELS.join(', ')}) (${requests})` },
  }),
  graph({
    title: 'Errors',
    description: 'Empty where the counter has no label with the status.',
    unit: 'percentunit',
    queries: { errors: errorRatio },
  }),
  graph({
    title: 'Duration',
    description: 'The mean needs no buckets.',
    unit: 's',
    queries: {
      p50: quantile(0.5),
      p95: quantile(0.95),
      p99: quantile(0.99),
      mean: `sum(${rate('${duration}_sum')}) / sum(${rate('${duration}_count')})`,
    },
  }),
];

const UNIT = '{{instance}}';

const RESOURCES = [
  graph({
    title: 'CPU',
    description: '1 is a whole core.',
    queries: { [UNIT]: `rate(process_cpu_seconds_total{${CHOSEN}}[$__rate_interval])` },
  }),
  graph({ title: 'Memory', unit: 'bytes', queries: { [UNIT]: `process_resident_memory_bytes{${CHOSEN}}` } }),
  graph({
    title: 'Open files',
    description: 'The share of the files and connections that the process may have open.',
    unit: 'percentunit',
    queries: { [UNIT]: `process_open_fds{${CHOSEN}} / process_max_fds{${CHOSEN}}` },
  }),
  graph({
    title: 'Time since the start',
    unit: 's',
    queries: { [UNIT]: `time() - process_start_time_seconds{${CHOSEN}}` },
  }),
];

const SCRAPES = [
  timeline({
    title: 'Up',
    queries: { [UNIT]: `up{${CHOSEN}}` },
    words: { '1': ['up', 'green'], '0': ['down', 'red'] },
  }),
  graph({ title: 'Duration of scrapes', unit: 's', queries: { [UNIT]: `scrape_duration_seconds{${CHOSEN}}` } }),
  graph({
    title: 'Samples per scrape',
    description: 'The series of a unit: what it costs of the plan.',
    queries: { [UNIT]: `scrape_samples_post_metric_relabeling{${CHOSEN}}` },
  }),
  graph({
    title: 'New series',
    description: 'Series that the scrape before did not have. Labels with ever new values make many, all the time.',
    queries: { [UNIT]: `sum_over_time(scrape_series_added{${CHOSEN}}[$__rate_interval])` },
  }),
];

export const APP_DASHBOARD = dashboard({
  uid: 'tsuru-app',
  title: 'Tsuru: app',
  description: 'Requests, resources and scrapes of an app of Tsuru, by process, version and unit.',
  variables: [
    labelVariable({ name: 'app', label: 'App' }, { of: 'tsuru_app', selector: 'up{tsuru_app!=""}' }),
    labelVariable(
      { name: 'process', label: 'Process', multi: true },
      { of: 'tsuru_process', selector: 'up{tsuru_app="$app"}' },
    ),
    labelVariable(
      { name: 'version', label: 'Version', multi: true },
      { of: 'tsuru_version', selector: 'up{tsuru_app="$app", tsuru_process=~"$process"}' },
    ),
    labelVariable(
      { name: 'unit', label: 'Unit', multi: true },
      {
        of: 'instance',
        selector: 'up{tsuru_app="$app", tsuru_process=~"$process", tsuru_version=~"$version"}',
      },
    ),
    choice('by', 'By', {
      handler: HANDLER_LABELS.join(', '),
      process: 'tsuru_process',
      version: 'tsuru_version',
      unit: 'instance',
    }),
    // In reverse: http_requests_total before http_request_duration_seconds_count, which often lacks the status.
    labelVariable(
      { name: 'requests', label: 'Counter' },
      { of: '__name__', selector: `{tsuru_app="$app", ${REQUESTS}}` },
    ).sort(VariableSort.AlphabeticalDesc),
    labelVariable(
      { name: 'duration', label: 'Histogram' },
      { of: '__name__', selector: `{tsuru_app="$app", ${DURATIONS}}` },
    ).regex('/^(.+)_count$/'),
  ],
  deploysOf: 'tsuru_app="$app"',
  rows: [
    { title: 'Now', panels: NOW },
    { title: 'Requests, of the counter and the histogram chosen at the top', panels: HTTP },
    { title: 'Resources of each unit', panels: RESOURCES },
    { title: 'Scrapes of each unit', panels: SCRAPES },
  ],
});
