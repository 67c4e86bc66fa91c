import { graph, type Row } from './build.ts';
import { agent, BOTH, increase, INTERVAL as interval, own, rate } from './own-series.ts';

export const ROOM_ROW: Row = {
  title: 'Room',
  panels: [
    graph({
      title: 'Storage',
      unit: 'bytes',
      interval,
      queries: {
        volume: agent('volume_size_bytes'),
        used: agent('volume_used_bytes'),
        'limit of the data': agent('retention_size_bytes'),
        blocks: own('tsdb_storage_blocks_bytes'),
      },
    }),
    graph({
      title: 'Memory',
      unit: 'bytes',
      interval,
      queries: {
        '{{job}}': `process_resident_memory_bytes{${BOTH}}`,
        'limit of the container': agent('memory_limit_bytes'),
      },
    }),
    graph({
      title: 'CPU',
      description: '1 is a whole core.',
      interval,
      queries: { '{{job}}': rate(`process_cpu_seconds_total{${BOTH}}`) },
    }),
    graph({
      title: 'Age of the oldest sample',
      unit: 's',
      interval,
      queries: { age: `time() - ${own('tsdb_lowest_timestamp_seconds')}` },
    }),
    graph({
      title: 'What the agent does about too little room',
      description:
        'Each step halves the retention and doubles scrape intervals. Paused apps are not scraped, as they make too many new series.',
      interval,
      queries: { steps: agent('guard_steps'), 'apps paused': agent('apps_paused') },
    }),
  ],
};

export const AGENT_ROW: Row = {
  title: 'Agent',
  panels: [
    graph({
      title: 'Time since the last poll of Tsuru that succeeded',
      unit: 's',
      interval,
      queries: { time: `time() - ${agent('poll_last_success_timestamp_seconds')}` },
    }),
    graph({
      title: 'Failed polls',
      interval,
      queries: { '{{reason}}': increase(agent('polls_failed_total')) },
    }),
    graph({
      title: 'Requests to Tsuru',
      unit: 'reqps',
      interval,
      queries: { '{{call}} {{status}}': `sum by (call, status) (${rate(agent('api_requests_total'))})` },
    }),
    graph({
      title: 'In sync',
      description: '1 if Prometheus has loaded the latest targets.',
      interval,
      queries: { 'in sync': agent('in_sync') },
    }),
    graph({
      title: 'Changes of targets, from seen in Tsuru to loaded',
      unit: 's',
      interval,
      queries: { p50: loadedWithin(0.5), p95: loadedWithin(0.95) },
    }),
    graph({
      title: 'Reloads',
      interval,
      queries: {
        reloads: increase(agent('reloads_total')),
        'failed: {{reason}}': increase(agent('reloads_failed_total')),
        'refused by promtool': increase(agent('config_checks_failed_total')),
        'settings refused': agent('settings_refused'),
      },
    }),
    graph({
      title: 'Starts and crashes of Prometheus',
      interval,
      queries: {
        starts: increase(agent('prometheus_starts_total')),
        'crashes: {{how}}': increase(agent('prometheus_crashes_total')),
      },
    }),
  ],
};

function loadedWithin(share: number): string {
  return `histogram_quantile(${share}, sum by (le) (${increase(agent('load_duration_seconds_bucket'))}))`;
}

export const QUERIES_ROW: Row = {
  title: 'Queries of users',
  panels: [
    graph({
      title: 'Requests',
      unit: 'reqps',
      interval,
      queries: { '{{kind}} {{status}}': `sum by (kind, status) (${rate(agent('gateway_requests_total'))})` },
    }),
    graph({
      title: 'Queries at once',
      interval,
      queries: { running: agent('gateway_queries'), waiting: agent('gateway_queries_waiting') },
    }),
    graph({
      title: 'Duration of queries, p95',
      unit: 's',
      interval,
      queries: {
        p95: `histogram_quantile(0.95, sum by (le) (${rate(agent('gateway_query_duration_seconds_bucket'))}))`,
      },
    }),
    graph({
      title: 'Refused requests',
      interval,
      queries: { '{{reason}}': increase(agent('gateway_refused_total')) },
    }),
  ],
};

export const REMOTE_WRITE_ROW: Row = {
  title: 'remote_write',
  panels: [
    graph({
      title: 'Samples sent',
      unit: 'cps',
      interval,
      queries: { '{{remote_name}}': rate(own('remote_storage_samples_total')) },
    }),
    graph({
      title: 'Behind',
      description: 'A receiver that is further behind than what is bridged loses samples.',
      unit: 's',
      interval,
      queries: {
        '{{remote_name}}': `${own('remote_storage_highest_timestamp_in_seconds')} - ignoring (remote_name, url) group_right () ${own('remote_storage_queue_highest_sent_timestamp_seconds')}`,
        bridged: agent('remote_write_bridged_seconds'),
      },
    }),
    graph({
      title: 'Samples that wait or failed',
      interval,
      queries: {
        '{{remote_name}}: waiting': own('remote_storage_samples_pending'),
        '{{remote_name}}: failed': increase(own('remote_storage_samples_failed_total')),
      },
    }),
  ],
};

export const ALERTS_ROW: Row = {
  title: 'Alerts and rules',
  panels: [
    graph({
      title: 'Alerts',
      queries: { '{{alertname}}: {{alertstate}}': 'count by (alertname, alertstate) (ALERTS)' },
    }),
    graph({
      title: 'Alerts sent to Alertmanagers',
      interval,
      queries: {
        sent: increase(own('notifications_sent_total')),
        failed: increase(own('notifications_errors_total')),
        dropped: increase(own('notifications_dropped_total')),
      },
    }),
    graph({
      title: 'Evaluation of rules',
      unit: 's',
      interval,
      queries: { '{{rule_group}}': own('rule_group_last_duration_seconds') },
    }),
    graph({
      title: 'What Prometheus fails to run',
      description: '"tsuru service-instance-info" names it, with its last error and what to do.',
      interval,
      queries: { '{{kind}}': agent('runtime_failing') },
    }),
  ],
};
