import { alertmanagers, type Alertmanager } from './alertmanagers.ts';
import { bytes, choice, duration, wholeNumber, type Kind } from './kinds.ts';
import { labels, type Labels } from './labels.ts';
import { metricNames } from './metric-names.ts';
import { remoteWrite, type RemoteWrite } from './remote-write.ts';
import { rules } from './rules.ts';

/** An instance's settings, whole and checked. What is missing has no limit, or is not there. */
export interface Settings {
  readonly retentionMs: number;
  readonly retentionSizeBytes?: number;
  readonly scrapeIntervalMs: number;
  readonly scrapeTimeoutMs: number;
  readonly evaluationIntervalMs: number;
  readonly externalLabels: Labels;
  /** The text of a rule file. */
  readonly rules?: string;
  /** Whether alerts about the instance itself are evaluated. */
  readonly instanceAlerts: 'on' | 'off';
  readonly alertmanagers: readonly Alertmanager[];
  readonly remoteWrite: readonly RemoteWrite[];
  readonly targetsPerApp: number;
  /** 0: no limit. */
  readonly samplesPerScrape: number;
  /** 0: no limit. */
  readonly bodySizeLimitBytes: number;
  /** Names of metrics that are not stored, with `*` for any characters. */
  readonly dropMetrics: readonly string[];
  readonly queryMaxSamples: number;
  readonly queryTimeoutMs: number;
  /** `tmpfs`: in memory; `ephemeral`: on the node's disk. Both go with the unit. */
  readonly storage: Storage;
  readonly storageSizeBytes?: number;
}

export type Storage = 'tmpfs' | 'ephemeral';

/** One setting: everything there is to know of it. */
export interface Entry<T> {
  /** As users type it. */
  readonly name: string;
  /** Other names that users of Prometheus know it by, for the suggestion of the right one. */
  readonly alsoCalled?: readonly string[];
  readonly meaning: string;
  readonly kind: Kind<T>;
  /** Its value when unset, from the settings above it. */
  readonly fallback?: (known: Partial<Settings>) => T | undefined;
  /** How the fallback is reported. */
  readonly default: string;
}

type Schema = { readonly [K in keyof Settings]-?: Entry<NonNullable<Settings[K]>> };

const SECOND = 1_000;
const MEGABYTE = 1024 ** 2;
/** What is left free for a compaction: a full disk ends Prometheus. */
const USUAL_SHARE = 0.8;
/** Prometheus' own. */
const USUAL_TIMEOUT_MS = 10 * SECOND;
const USUAL_INTERVAL_MS = 15 * SECOND;

/** To add a setting, add it to Settings and here: both programs, the table in agent/README.md and the advice on slips know it then. */
export const SCHEMA: Schema = {
  storage: {
    name: 'storage',
    meaning: 'where samples are kept while the unit lives: in memory (`tmpfs`) or on the disk (`ephemeral`)',
    kind: choice('tmpfs', 'ephemeral'),
    fallback: () => 'tmpfs',
    default: 'tmpfs',
  },
  storageSizeBytes: {
    name: 'storage_size',
    meaning: 'the size of the storage, at least `retention_size`',
    kind: bytes('32MB', '100TB'),
    default: "the plan's",
  },
  retentionMs: {
    name: 'retention',
    alsoCalled: ['retention_time', 'storage.tsdb.retention.time', 'storage.tsdb.retention'],
    meaning: 'how long samples are kept',
    kind: duration('1h', '10y'),
    fallback: () => 15 * 86_400 * SECOND,
    default: '15d',
  },
  retentionSizeBytes: {
    name: 'retention_size',
    alsoCalled: ['storage.tsdb.retention.size'],
    meaning: 'the oldest samples go when all take more than this',
    kind: bytes('16MB', '100TB'),
    fallback: ({ storageSizeBytes }) =>
      storageSizeBytes === undefined ? undefined : Math.floor((storageSizeBytes * USUAL_SHARE) / MEGABYTE) * MEGABYTE,
    default: '80 % of `storage_size`, no limit without one',
  },
  scrapeIntervalMs: {
    name: 'scrape_interval',
    alsoCalled: ['interval'],
    meaning: 'how often each unit is scraped',
    kind: duration('1s', '1h', 'above'),
    fallback: () => USUAL_INTERVAL_MS,
    default: '15s',
  },
  scrapeTimeoutMs: {
    name: 'scrape_timeout',
    alsoCalled: ['timeout'],
    meaning: 'how long a scrape may take, at most `scrape_interval`',
    kind: duration('1s', '1h'),
    fallback: ({ scrapeIntervalMs = USUAL_TIMEOUT_MS }) => Math.min(USUAL_TIMEOUT_MS, scrapeIntervalMs),
    default: '10s, or `scrape_interval` when that is shorter',
  },
  evaluationIntervalMs: {
    name: 'evaluation_interval',
    meaning: 'how often rules are evaluated',
    kind: duration('1s', '1h', 'above'),
    fallback: ({ scrapeIntervalMs = USUAL_INTERVAL_MS }) => scrapeIntervalMs,
    default: '`scrape_interval`',
  },
  externalLabels: {
    name: 'external_labels',
    alsoCalled: ['labels'],
    meaning: 'labels on everything that leaves this Prometheus: `team=shop,env=prod`, or a map in YAML',
    kind: labels,
    fallback: () => ({}),
    default: 'none',
  },
  rules: {
    name: 'rules',
    alsoCalled: ['rule_files', 'groups'],
    meaning: 'a rule file of Prometheus: `--plan-param rules="$(cat rules.yml)"`',
    kind: rules,
    default: 'none',
  },
  instanceAlerts: {
    name: 'instance_alerts',
    meaning: 'whether alerts about the instance itself are evaluated and sent (image/rules/instance.yml)',
    kind: choice('on', 'off'),
    fallback: () => 'on',
    default: 'on',
  },
  alertmanagers: {
    name: 'alertmanagers',
    alsoCalled: ['alerting'],
    meaning: 'where alerts go: URLs, or YAML with `url`, `basic_auth`, `authorization`',
    kind: alertmanagers,
    fallback: () => [],
    default: 'none',
  },
  remoteWrite: {
    name: 'remote_write',
    meaning:
      'where samples are sent: URLs, or YAML with `url`, `name`, `store`, `basic_auth`, `authorization`, `headers`, `write_relabel_configs`',
    kind: remoteWrite,
    fallback: () => [],
    default: 'none',
  },
  targetsPerApp: {
    name: 'targets_per_app',
    alsoCalled: ['target_limit'],
    meaning: 'the most units of one app that are scraped; the rest is left out',
    kind: wholeNumber(1, 100_000),
    fallback: () => 10_000,
    default: '10000',
  },
  samplesPerScrape: {
    name: 'samples_per_scrape',
    alsoCalled: ['sample_limit'],
    meaning: 'a scrape with more samples fails',
    kind: wholeNumber(1, 100_000_000, '0 is unlimited'),
    fallback: () => 0,
    default: '0',
  },
  bodySizeLimitBytes: {
    name: 'body_size_limit',
    meaning: 'a scrape with a larger answer fails',
    kind: bytes('1KB', '10GB', '0 is unlimited'),
    fallback: () => 0,
    default: '0',
  },
  dropMetrics: {
    name: 'drop_metrics',
    alsoCalled: ['metric_relabel_configs', 'drop'],
    meaning:
      'metrics of apps that are not stored: names, with `*` for any characters, such as `go_*,http_request_duration_seconds_bucket`',
    kind: metricNames,
    fallback: () => [],
    default: 'none',
  },
  queryMaxSamples: {
    name: 'query_max_samples',
    alsoCalled: ['query.max-samples'],
    meaning: 'a query that holds more samples in memory fails, at most as many as fit into it',
    kind: wholeNumber(1_000, 1_000_000_000),
    fallback: () => 50_000_000,
    default: '50000000',
  },
  queryTimeoutMs: {
    name: 'query_timeout',
    alsoCalled: ['query.timeout'],
    meaning: 'how long a query may take',
    kind: duration('1s', '1h'),
    fallback: () => 120 * SECOND,
    default: '2m',
  },
};
