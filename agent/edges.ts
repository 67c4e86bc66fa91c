import Registry from 'prom-client/lib/registry.js';
import type { Clock } from './shared/clock.ts';
import type { Config } from './config.ts';
import type { Access } from './system/access.ts';
import { createMetrics, type Metrics } from './report/metrics.ts';
import { createAuthorityFolder, type AuthorityFolder } from './prometheus/configuration/authorities.ts';
import { createPrometheusClient, type ShownPrometheus } from './prometheus/api/client.ts';
import { createOwnSecret, type OwnSecret } from './prometheus/api/own-secret.ts';
import { createStarts, type Starts } from './prometheus/process/start-attempts.ts';
import { createLearnedPathsFile, type LearnedPathsFile } from './redirects/file.ts';
import { createReporter, type Reporter } from './report/reporter.ts';
import type { Environment } from './shared/environment.ts';
import type { Log } from './shared/log.ts';
import { createTsuruClient, type TsuruClient } from './shared/tsuru.ts';
import { createStateFile, type StateFile } from './tsuru/state.ts';
import { createTargetFile, type TargetFile } from './targets/target-file.ts';
import { createTroubles, type Troubles } from './system/troubles.ts';

/** The Prometheus that the agent runs itself. */
export type Supervised = Extract<Config['prometheus'], { readonly kind: 'supervised' }>;

/** Whom the agent asks, what it writes, and where it reports what happens. */
export interface Edges extends Reporter {
  readonly config: Config;
  /** Undefined with an external Prometheus. */
  readonly supervised: (Supervised & { readonly access: OwnSecret; readonly starts: Starts }) | undefined;
  /** What programs that the agent starts may see of it, with the private CAs. */
  readonly environment: Environment;
  readonly authorities: AuthorityFolder;
  readonly access: Access;
  /** What no page, line or error may show; it grows with what is handed over. */
  readonly secrets: readonly string[];
  readonly log: Log;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly troubles: Troubles;
  readonly tsuru: TsuruClient;
  readonly prometheus: ShownPrometheus;
  readonly targetFile: TargetFile;
  readonly stateFile: StateFile;
  readonly learnedPathsFile: LearnedPathsFile;
}

export interface EdgesOptions extends Pick<Edges, 'config' | 'access' | 'log' | 'clock'> {
  readonly secrets: string[];
  /** The environment of this process. */
  readonly given: Environment;
  readonly signal: AbortSignal;
  /** Says why there is no process of the own Prometheus. */
  readonly absence: () => string | undefined;
}

export function createEdges({ config, access, secrets, given, log, clock, signal, absence }: EdgesOptions): Edges {
  const { dataFolder } = config;
  const authorities = createAuthorityFolder(dataFolder, config.authorities, given);
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const troubles = createTroubles(log, clock.wallMs, () => signal.aborted);
  const supervised =
    config.prometheus.kind === 'supervised'
      ? {
          ...config.prometheus,
          access: createOwnSecret(dataFolder),
          starts: createStarts(dataFolder, config.prometheus.storageFolder),
        }
      : undefined;
  if (supervised !== undefined) secrets.push(supervised.access.password);
  return {
    ...createReporter({ log, metrics, troubles, wallMs: clock.wallMs }),
    config,
    supervised,
    environment: authorities.environment,
    authorities,
    access,
    secrets,
    log,
    clock,
    registry,
    metrics,
    troubles,
    tsuru: createTsuruClient({ url: config.tsuruUrl, token: access.token, onCall: metrics.called }),
    prometheus: createPrometheusClient(config.prometheus.url, { absence, access: supervised?.access }),
    targetFile: createTargetFile(dataFolder, clock.wallMs),
    stateFile: createStateFile(dataFolder),
    learnedPathsFile: createLearnedPathsFile(dataFolder),
  };
}
