import { isDeepStrictEqual } from 'node:util';
import type { Appliers } from './appliers.ts';
import type { StartState } from './start-state.ts';
import { createCapacityWatch, type CapacityWatch, type CapacityWatchOptions } from './capacity/capacity-watch.ts';
import type { Desired } from './desired.ts';
import type { Edges } from './edges.ts';
import type { Facts, FactStore } from './facts.ts';
import { createFailures, type Failures } from './failures/failures.ts';
import { createProbe } from './failures/probe.ts';
import type { LogLine } from './prometheus/api/logfmt.ts';
import { createHealth, type Health } from './prometheus/api/health.ts';
import { hasProxy } from './prometheus/configuration/proxies.ts';
import { featuresOf } from './prometheus/api/features.ts';
import { watchVersion } from './prometheus/api/version-watch.ts';
import { probe } from './redirects/probe.ts';
import { createRedirects } from './redirects/redirects.ts';
import { createRefusals } from './samples/refusals.ts';
import { createSenders, type Senders } from './samples/senders.ts';
import { survey } from './failures/survey.ts';

/** The sources of facts about Prometheus and its state. */
export interface Sources {
  readonly health: Health;
  /** Of the own Prometheus. */
  readonly capacity: CapacityWatch | undefined;
  /** What remote_write does. */
  readonly senders: Pick<Senders, 'last'>;
  /** Takes a line of Prometheus' log. */
  readonly onLine: (line: LogLine) => void;
  /** Takes that Prometheus stopped a query. */
  readonly onStopped: Failures['onStopped'];
  /** Problems of an app's targets that neither Tsuru nor the discovery knows. */
  readonly problemsOf: (app: string) => readonly string[];
  /** Looks until the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export interface SourcesOptions {
  readonly edges: Edges;
  readonly startState: StartState;
  readonly facts: FactStore;
  readonly desired: () => Desired;
  readonly appliers: Appliers;
}

export function createSources({ edges, startState, facts, desired, appliers }: SourcesOptions): Sources {
  const { supervised, environment, prometheus: client, clock, log, metrics, troubles, learnedPathsFile } = edges;
  const { wallMs, nowMs } = clock;
  const health = createHealth(client, nowMs, versionIs);
  const redirects = createRedirects({
    file: learnedPathsFile,
    client,
    probe,
    clock,
    scrapeIntervalMs: () => desired().scrape.intervalMs,
    log,
    discovered: () => desired().discovered,
    learned: () => facts.current().learned,
    onLearnt(learned) {
      facts.patch({ learned });
    },
  });
  const refusals = createRefusals({
    discovery: () => appliers.publisher.current(),
    wallMs,
    nowMs,
    log,
    troubles,
    onRefused: metrics.refused,
  });
  const failures = createFailures({
    client,
    probe:
      supervised === undefined || hasProxy(environment)
        ? undefined
        : createProbe(() => facts.current().settings.alertmanagers.map(({ url }) => url)),
    troubles,
    wallMs,
    nowMs,
    onFailure: metrics.failed,
    onFailing: metrics.failing,
  });
  const senders = createSenders({ troubles, nowMs, onBridged: metrics.bridged });
  const { found } = startState;
  const capacity =
    supervised === undefined || found === undefined || appliers.own === undefined
      ? undefined
      : createCapacityWatch({
          storageFolder: supervised.storageFolder,
          loadFile: found.loadFile,
          usedBytes: found.usedBytes,
          now: () => capacityNow(facts.current(), desired()),
          patch: facts.patchCapacity,
          client,
          clock,
          troubles,
          onLook: appliers.own.relieve,
        });
  if (capacity !== undefined) metrics.showCapacity(capacity.status);

  function versionIs(version: string | undefined): void {
    const { features } = facts.current();
    const next = featuresOf(version);
    if (isDeepStrictEqual(next, features)) return;
    if (version === undefined)
      log.info(
        `Prometheus ${features.version ?? ''} is gone: its configuration is rendered for any version until one answers`,
      );
    facts.patch({ features: next });
  }

  return {
    health,
    capacity,
    senders,
    onLine(line) {
      refusals.onLine(line);
      failures.onLine(line);
    },
    onStopped: failures.onStopped,
    problemsOf: (app) => [...redirects.problemsOf(app), ...refusals.problemsOf(app)],
    async run(signal) {
      const isExternal = supervised === undefined;
      await Promise.all([
        redirects.run(signal),
        survey({ client, clock, senders, failures, refusals: isExternal ? refusals : undefined }, signal),
        ...(isExternal ? [watchVersion({ client, clock, onVersion: versionIs }, signal)] : []),
      ]);
    },
  };
}

function capacityNow(
  { capacity: facts, settings }: Facts,
  { capacity, targets, plan }: Desired,
): ReturnType<CapacityWatchOptions['now']> {
  if (facts === undefined || capacity === undefined) throw new Error('there is no Prometheus of its own');
  return { facts, capacity, settings, groups: targets?.groups ?? [], load: plan?.load ?? 0 };
}
