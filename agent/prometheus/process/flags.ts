import { hostPort, type Listen } from '../../system/listen.ts';
import type { Environment } from '../../shared/environment.ts';
import { formatDuration } from '../../shared/duration.ts';
import { queryLimitsOf } from '../../shared/query-limits.ts';
import { formatBytes } from '../../shared/settings/bytes.ts';
import type { RenderOptions } from '../configuration/render.ts';
import { PROXY_VARIABLES } from '../configuration/proxies.ts';
import type { Launch } from './supervisor.ts';

/** How long Prometheus may take at its end to send what remote_write still has: its own default of 1m is longer than Kubernetes waits. */
const FLUSH_DEADLINE = '15s';

/**
 * How often Prometheus applies changed targets; 5 s by default. Measured in 3.14 with 15 pairs of changes, the second 0.3 to 1 s after the
 * first: the second is a target after 0.3 s instead of 2.2 s in the median. Prometheus takes no more CPU at rest.
 */
const DISCOVERY_RELOAD_INTERVAL = '200ms';

/**
 * The variables that Prometheus and promtool get of the agent's: where programs, certificates and proxies are. Everything else, the agent's token and the
 * gateway's password above all, stays here.
 */
const PASSED_ON = [...PROXY_VARIABLES, 'HOME', 'PATH', 'SSL_CERT_DIR', 'SSL_CERT_FILE', 'TZ'];

/** What programs that the agent starts get of its environment. */
export function passedOn(environment: Environment): Readonly<Record<string, string>> {
  return Object.fromEntries(
    PASSED_ON.flatMap((name): [string, string][] => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

export interface LaunchOptions {
  readonly configFile: string;
  readonly storageFolder: string;
  readonly listen: Listen;
  /** What it asks of each request. */
  readonly webConfigFile: string;
  /** Where its users find it; undefined until Tsuru lists an address. */
  readonly externalUrl: string | undefined;
  /** Flags of its storage and queries. */
  readonly flags: readonly string[];
  /** Bytes; undefined for no limit. */
  readonly goMemLimitBytes: number | undefined;
  readonly environment: Environment;
}

/** The flags of its queries and discovery, and of its storage where the configuration file cannot say them. */
export function flagsOf({
  settings,
  features,
  retentionSizeBytes,
  goMemLimitBytes,
}: Pick<RenderOptions, 'settings' | 'features' | 'retentionSizeBytes'> &
  Pick<LaunchOptions, 'goMemLimitBytes'>): string[] {
  const { maxSamples, atOnce } = queryLimitsOf(goMemLimitBytes, settings.queryMaxSamples);
  const size =
    retentionSizeBytes === undefined ? [] : [`--storage.tsdb.retention.size=${formatBytes(retentionSizeBytes)}`];
  return [
    `--query.max-samples=${maxSamples}`,
    `--query.max-concurrency=${atOnce}`,
    `--query.timeout=${formatDuration(settings.queryTimeoutMs)}`,
    ...(features.quickDiscovery ? [`--scrape.discovery-reload-interval=${DISCOVERY_RELOAD_INTERVAL}`] : []),
    ...(features.gomaxprocsFeature ? ['--enable-feature=auto-gomaxprocs'] : []),
    ...(features.retentionInFile
      ? []
      : [`--storage.tsdb.retention.time=${formatDuration(settings.retentionMs)}`, ...size]),
  ];
}

/** What Prometheus is started with: on loopback, with a reload by HTTP. */
export function launchOf(options: LaunchOptions): Launch {
  const { configFile, storageFolder, listen, webConfigFile, externalUrl, flags, goMemLimitBytes, environment } =
    options;
  return {
    args: [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${storageFolder}`,
      `--web.listen-address=${hostPort(listen)}`,
      `--web.config.file=${webConfigFile}`,
      '--web.enable-lifecycle',
      ...(externalUrl === undefined ? [] : [`--web.external-url=${externalUrl}`, '--web.route-prefix=/']),
      `--storage.remote.flush-deadline=${FLUSH_DEADLINE}`,
      // In JSON, Prometheus 3 writes the target of a line as {}.
      '--log.format=logfmt',
      ...flags,
    ],
    environment: {
      ...passedOn(environment),
      ...(goMemLimitBytes === undefined ? {} : { GOMEMLIMIT: String(goMemLimitBytes) }),
    },
  };
}
