import { dashboard, graph, labelVariable, stats } from './build.ts';
import { AGENT_ROW, ALERTS_ROW, QUERIES_ROW, REMOTE_WRITE_ROW, ROOM_ROW } from './instance-rows.ts';
import { agent, increase, INTERVAL as interval, own, rate } from './own-series.ts';

const APPS = 'tsuru_app=~"$app"';
const BY_APP = '{{tsuru_app}}';

const NOW = stats([
  { title: 'Targets', queries: { up: 'sum(up{tsuru_app!=""})', scraped: 'count(up{tsuru_app!=""})' } },
  {
    title: 'Latest targets',
    description: 'Whether Prometheus has loaded the latest targets.',
    queries: { 'in sync': agent('in_sync') },
    words: { '1': ['in sync', 'green'], '0': ['not in sync', 'red'] },
  },
  { title: 'Series', queries: { series: own('tsdb_head_series') } },
  {
    title: 'Capacity used',
    description: 'The share of what this plan can scrape that targets use.',
    unit: 'percentunit',
    queries: { used: agent('budget_load_ratio') },
    limits: [0.8, 1],
  },
  {
    title: 'Storage used',
    description: 'At 85 % the agent halves the retention and doubles scrape intervals.',
    unit: 'percentunit',
    queries: { used: `${agent('volume_used_bytes')} / ${agent('volume_size_bytes')}` },
    limits: [0.8, 0.85],
  },
  {
    title: 'Firing alerts',
    queries: { alerts: 'count(ALERTS{alertstate="firing"}) or vector(0)' },
    limits: [1, 10],
  },
]);

const TARGETS = [
  graph({ title: 'Targets up', queries: { [BY_APP]: `sum by (tsuru_app) (up{${APPS}})` } }),
  graph({
    title: 'Targets down',
    queries: { [BY_APP]: `count by (tsuru_app) (up{${APPS}}) - sum by (tsuru_app) (up{${APPS}})` },
  }),
  graph({
    title: 'Units left out',
    description: 'Units that are not scraped. "tsuru service-instance-info" names them and what to do.',
    interval,
    queries: { '{{reason}}': agent('units_left_out') },
  }),
  graph({
    title: 'Longest scrape',
    unit: 's',
    queries: { [BY_APP]: `max by (tsuru_app) (scrape_duration_seconds{${APPS}})` },
  }),
];

const SAMPLES = [
  graph({
    title: 'Samples stored',
    unit: 'cps',
    interval,
    queries: { samples: `sum(${rate(own('tsdb_head_samples_appended_total'))})` },
  }),
  graph({
    title: 'Series by app',
    description: 'What the last scrapes of all units had together: what an app costs of the plan.',
    queries: { [BY_APP]: `sum by (tsuru_app) (scrape_samples_post_metric_relabeling{${APPS}})` },
  }),
  graph({
    title: 'New series by app',
    description: 'Series that the scrape before did not have. A deploy makes all series of an app anew.',
    queries: { [BY_APP]: `sum by (tsuru_app) (sum_over_time(scrape_series_added{${APPS}}[$__rate_interval]))` },
  }),
  graph({ title: 'Series in memory', interval, queries: { series: own('tsdb_head_series') } }),
  graph({
    title: 'Samples refused',
    description: 'Samples that were not stored for their timestamps.',
    interval,
    queries: { '{{app}}: {{reason}}': `sum by (app, reason) (${increase(agent('samples_refused_total'))})` },
  }),
];

export const INSTANCE_DASHBOARD = dashboard({
  uid: 'tsuru-prometheus-instance',
  title: 'Tsuru: Prometheus instance',
  description: 'What an instance of Prometheus as a Service scrapes, how much room it has, and what is wrong with it.',
  variables: [
    labelVariable({ name: 'app', label: 'App', multi: true }, { of: 'tsuru_app', selector: 'up{tsuru_app!=""}' }),
  ],
  deploysOf: APPS,
  rows: [
    { title: 'Now', panels: NOW },
    { title: 'Targets', panels: TARGETS },
    { title: 'Samples and series', panels: SAMPLES },
    ROOM_ROW,
    AGENT_ROW,
    QUERIES_ROW,
    REMOTE_WRITE_ROW,
    ALERTS_ROW,
  ],
});
