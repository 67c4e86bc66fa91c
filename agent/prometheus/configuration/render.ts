import { dump, load } from 'js-yaml';
import { formatDuration } from '../../shared/duration.ts';
import { formatBytes } from '../../shared/settings/bytes.ts';
import type { Authentication } from '../../shared/settings/endpoint.ts';
import type { Headers } from '../../shared/settings/headers.ts';
import { REPLICA_LABEL } from '../../shared/settings/labels.ts';
import { patternOf } from '../../shared/settings/metric-names.ts';
import { splitBySampleLimit } from '../../discovery/sample-limits.ts';
import type { Settings } from '../../shared/settings/schema.ts';
import { asArray, asObject, asOptionalArray, ShapeError, type JsonObject } from '../../shared/shape.ts';
import { secretsIn, variableOf } from './secret-files.ts';
import { APPS_JOB } from '../sync/observation.ts';
import { withoutRedirects } from './redirects.ts';
import { storeLabels } from './store-labels.ts';
import type { OwnSecret } from '../api/own-secret.ts';
import type { Features } from '../api/features.ts';

/**
 * The oldest text format, for apps whose /metrics has no content type, or a wrong one: Prometheus 2 read those as text, Prometheus 3 fails
 * their scrapes.
 */
const FALLBACK_PROTOCOL = 'PrometheusText0.0.4';

/**
 * Samples stamped up to an hour ago are stored, as with blocks of 2 hours. It counts from the newest sample, which may be ten minutes ahead
 * of the clock: Prometheus' own limit. With blocks of 2 hours it is left out: they store the same without it, and with it one sample older
 * than the window fails its whole scrape.
 */
const OUT_OF_ORDER_WINDOW = '70m';
const USUAL_BLOCK_RANGE_MS = 2 * 60 * 60_000;

const MIB = 2 ** 20;
/**
 * What a sample takes in /metrics at most, on average: 60 to 300 bytes are usual. More samples than the instance can hold are not even parsed,
 * as Prometheus 2 remembers all of them: 3 targets of 50,000 took 300 MiB with scrapes that failed by their sample limit.
 */
const MOST_BYTES_PER_SAMPLE = 512;

/** What differs from one place to another in the configuration that Prometheus runs. */
export interface RenderOptions {
  readonly targetsFile: string;
  /** Of the file discovery. A change of it begins a dead discovery again. */
  readonly refreshSeconds: number;
  readonly settings: Settings;
  /** What the Prometheus that will read it can do. */
  readonly features: Features;
  /** The most samples that a target can have room for; undefined if targets have no sample limits of their own. */
  readonly mostSamples: number | undefined;
  /** How much its data may take; undefined for no limit. */
  readonly retentionSizeBytes: number | undefined;
  /** How much time a block covers; undefined for Prometheus' own 2 hours. */
  readonly blockRangeMs: number | undefined;
  /** The name of this unit, by which its series can be told from those of another one of the same instance. */
  readonly replica: string;
  /** The app of the instance, by which a store can tell its series from those of other instances. */
  readonly instance: string;
  /** The file of each secret that settings name, by its variable. */
  readonly credentials: ReadonlyMap<string, string>;
  /** Where the rules are, as patterns of paths. */
  readonly ruleFiles: readonly string[];
  /** `host:port` of Prometheus and of the agent itself, for the jobs of these names. */
  readonly addresses: { readonly prometheus: string; readonly agent: string };
  /** Whether its environment names a proxy. */
  readonly hasProxy: boolean;
  /** What Prometheus asks of requests to itself; undefined for an external one. */
  readonly access: Pick<OwnSecret, 'username' | 'passwordFile'> | undefined;
}

/**
 * What Prometheus runs: the base configuration with the settings and the places of this instance, and everything else as the base has it. The
 * same input gives the same text.
 * @throws {ShapeError} or js-yaml's exception, whose messages say what is wrong with the base.
 */
export function renderConfig(base: string, options: RenderOptions): string {
  const config = asObject(load(base), 'the base configuration');
  const { settings, replica, features, ruleFiles } = options;
  const jobs = asArray(config['scrape_configs'], 'scrape_configs').map((job, index) =>
    asObject(job, `scrape_configs[${index}]`),
  );
  if (!jobs.some((job) => job['job_name'] === APPS_JOB)) {
    throw new ShapeError(`scrape_configs has no job called ${APPS_JOB}, which scrapes the apps`);
  }
  const global = asObject(config['global'] ?? {}, 'global');
  const rendered: Record<string, unknown> = {
    ...config,
    global: {
      ...global,
      scrape_interval: formatDuration(settings.scrapeIntervalMs),
      scrape_timeout: formatDuration(settings.scrapeTimeoutMs),
      evaluation_interval: formatDuration(settings.evaluationIntervalMs),
      external_labels: {
        ...asObject(global['external_labels'] ?? {}, 'external_labels'),
        ...settings.externalLabels,
        [REPLICA_LABEL]: replica,
      },
    },
    rule_files: ruleFiles,
    scrape_configs: jobs.flatMap((job) => renderJob(job, options)),
    alerting: renderAlerting(config['alerting'], options),
  };
  const remoteWrite = [...asOptionalArray(config['remote_write'], 'remote_write'), ...renderRemoteWrite(options)];
  if (remoteWrite.length > 0) rendered['remote_write'] = throughProxy(remoteWrite, 'remote_write', options);
  const remoteRead = asOptionalArray(config['remote_read'], 'remote_read');
  if (remoteRead.length > 0) rendered['remote_read'] = throughProxy(remoteRead, 'remote_read', options);
  if (features.retentionInFile) rendered['storage'] = renderStorage(config['storage'], options);
  return dump(withoutRedirects(rendered), { lineWidth: -1, noRefs: true });
}

function renderJob(job: JsonObject, options: RenderOptions): readonly JsonObject[] {
  const { targetsFile, refreshSeconds, addresses, access, features, settings } = options;
  switch (job['job_name']) {
    case APPS_JOB:
      return splitJob(options, {
        ...job,
        file_sd_configs: [{ files: [targetsFile], refresh_interval: `${refreshSeconds}s` }],
        ...(settings.samplesPerScrape === 0 ? {} : { sample_limit: settings.samplesPerScrape }),
        ...bodyLimit(options),
        ...droppedMetrics(job, options),
        ...(features.fallbackProtocol ? { fallback_scrape_protocol: FALLBACK_PROTOCOL } : {}),
      });
    case 'prometheus':
      return [
        {
          ...job,
          static_configs: [{ targets: [addresses.prometheus] }],
          ...(access === undefined
            ? {}
            : { basic_auth: { username: access.username, password_file: access.passwordFile } }),
        },
      ];
    case 'agent':
      return [{ ...job, static_configs: [{ targets: [addresses.agent] }] }];
    default:
      return [job];
  }
}

/** Behind what the base has, which may rename metrics. */
function droppedMetrics(job: JsonObject, { settings: { dropMetrics } }: RenderOptions): JsonObject {
  if (dropMetrics.length === 0) return {};
  const base = asOptionalArray(job['metric_relabel_configs'], 'metric_relabel_configs');
  const drop = { source_labels: ['__name__'], regex: patternOf(dropMetrics), action: 'drop' };
  return { metric_relabel_configs: [...base, drop] };
}

/** That of the settings, or what the most samples take if that is less. */
function bodyLimit({ settings: { bodySizeLimitBytes }, mostSamples = Infinity }: RenderOptions): JsonObject {
  const mostMib = Math.ceil((mostSamples * MOST_BYTES_PER_SAMPLE) / MIB);
  const bytes = Math.min(bodySizeLimitBytes === 0 ? Infinity : bodySizeLimitBytes, mostMib * MIB);
  return bytes === Infinity ? {} : { body_size_limit: formatBytes(bytes) };
}

/** Each of the jobs drops the targets of the others, of which none need be remembered. */
function splitJob({ mostSamples, features }: RenderOptions, job: JsonObject): readonly JsonObject[] {
  if (mostSamples === undefined) return [job];
  return splitBySampleLimit({ ...job, ...(features.keepDropped ? { keep_dropped_targets: 1 } : {}) }, mostSamples);
}

/** Two units that run side by side for a while must not send each alert twice: the label that tells them apart does not leave with alerts. */
function renderAlerting(base: unknown, options: RenderOptions): JsonObject {
  const { settings, credentials } = options;
  const alerting = asObject(base ?? {}, 'alerting');
  return {
    ...alerting,
    alert_relabel_configs: [
      { action: 'labeldrop', regex: REPLICA_LABEL },
      ...asOptionalArray(alerting['alert_relabel_configs'], 'alert_relabel_configs'),
    ],
    alertmanagers: throughProxy(
      [
        ...asOptionalArray(alerting['alertmanagers'], 'alertmanagers'),
        ...settings.alertmanagers.flatMap(({ url, authentication }) => {
          const access = accessOf(authentication, credentials);
          const { protocol, host, pathname } = new URL(url);
          return access === undefined
            ? []
            : [
                {
                  scheme: protocol.replace(':', ''),
                  ...(pathname === '/' ? {} : { path_prefix: pathname }),
                  static_configs: [{ targets: [host] }],
                  ...access,
                },
              ];
        }),
      ],
      'alertmanagers',
      options,
    ),
  };
}

/** What leaves the cluster takes the proxy of the environment, unless it names its own. Targets are in the cluster: they never do. */
function throughProxy(
  entries: readonly unknown[],
  what: string,
  { features, hasProxy }: RenderOptions,
): readonly unknown[] {
  if (!features.proxyFromEnvironment || !hasProxy) return entries;
  return entries.map((entry, index) => {
    const endpoint = asObject(entry, `${what}[${index}]`);
    const saysItself = ['proxy_url', 'proxy_from_environment', 'no_proxy'].some((key) => key in endpoint);
    return saysItself ? endpoint : { ...endpoint, proxy_from_environment: true };
  });
}

function renderRemoteWrite(options: RenderOptions): JsonObject[] {
  const { settings, credentials } = options;
  return settings.remoteWrite.flatMap(({ url, name, store, authentication, headers, writeRelabelConfigs }) => {
    const access = accessOf(authentication, credentials);
    const relabel = [...writeRelabelConfigs, ...storeLabels(store, options)];
    const sent = headersOf(headers, options);
    if (access === undefined || sent === undefined) return [];
    return [
      {
        url,
        ...(name === undefined ? {} : { name }),
        ...access,
        ...sent,
        ...(relabel.length === 0 ? {} : { write_relabel_configs: relabel }),
      },
    ];
  });
}

/** Undefined when a secret is missing, or cannot be read from a file. `/config` shows plain headers. */
function headersOf(headers: Headers, { credentials, features }: RenderOptions): JsonObject | undefined {
  const plain = Object.entries(headers).flatMap(([name, value]) =>
    value.kind === 'plain' ? [[name, value.text]] : [],
  );
  const secret = secretsIn(headers).map(([name, variable]) => [name, credentials.get(variable)] as const);
  if (secret.length > 0 && (!features.headersInFiles || secret.some(([, file]) => file === undefined)))
    return undefined;
  return {
    ...(plain.length === 0 ? {} : { headers: Object.fromEntries(plain) }),
    ...(secret.length === 0
      ? {}
      : { http_headers: Object.fromEntries(secret.map(([name, file]) => [name, { files: [file] }])) }),
  };
}

/** How Prometheus proves who it is; undefined when the secret is missing: nothing is sent to where it would be refused. */
function accessOf(
  authentication: Authentication | undefined,
  credentials: RenderOptions['credentials'],
): JsonObject | undefined {
  if (authentication === undefined) return {};
  const file = credentials.get(variableOf(authentication));
  if (file === undefined) return undefined;
  return authentication.kind === 'basic'
    ? { basic_auth: { username: authentication.username, password_file: file } }
    : { authorization: { type: authentication.type, credentials_file: file } };
}

function renderStorage(
  base: unknown,
  { settings, features, retentionSizeBytes, blockRangeMs = USUAL_BLOCK_RANGE_MS }: RenderOptions,
): JsonObject {
  const isOutOfOrder = features.outOfOrder && blockRangeMs < USUAL_BLOCK_RANGE_MS;
  const storage = asObject(base ?? {}, 'storage');
  return {
    ...storage,
    tsdb: {
      ...(isOutOfOrder ? { out_of_order_time_window: OUT_OF_ORDER_WINDOW } : {}),
      ...asObject(storage['tsdb'] ?? {}, 'storage.tsdb'),
      retention: {
        time: formatDuration(settings.retentionMs),
        ...(retentionSizeBytes === undefined ? {} : { size: formatBytes(retentionSizeBytes) }),
      },
    },
  };
}
