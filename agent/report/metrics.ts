import type { Registry } from 'prom-client';
import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import { collectCapacityMetrics } from '../capacity/metrics.ts';
import type { Discovery } from '../discovery/discover.ts';
import { FAILURE_KINDS, type FailureKind } from '../failures/observation.ts';
import { POLL_FAILURES, type PollOutcome } from '../tsuru/poller.ts';
import { collectProcessMetrics } from './process-metrics.ts';
import { CRASHES } from '../prometheus/process/exit-reason.ts';
import { RELOAD_FAILURES, type ReloadOutcome } from '../prometheus/configuration/reload.ts';
import type { SupervisorEvent } from '../prometheus/process/supervisor.ts';
import { LEFT_OUT_REASONS, type CapacityStatus } from '../shared/status.ts';
import { VERSION } from '../shared/version.ts';
import type { SettingsOutcome } from '../tsuru/instance-settings.ts';
import type { WriteOutcome } from '../targets/publisher.ts';

const PREFIX = 'tsuru_agent_';
/** From an answer out of a cache to Tsuru's own timeouts, in seconds. */
const DURATION_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** This many names of a kind have a series of their own, the rest is `other`: names come and go with each change of the rules. */
const MOST_FAILURE_NAMES = 50;

const LOSSES = ['full', 'damaged'] as const;
type Loss = (typeof LOSSES)[number];

/** The agent's metrics. Counters are there from the start, so that a missing one is never an alert. */
export interface Metrics {
  polled(outcome: PollOutcome, durationMs: number, wallMs: number): void;
  readonly called: (call: string, status: string) => void;
  discovered(discovery: Discovery): void;
  wrote(outcome: WriteOutcome, wallMs: number): void;
  stateNotSaved(): void;
  inSync(isInSync: boolean): void;
  readonly loaded: (durationMs: number) => void;
  revived(): void;
  readonly checked: (succeeded: boolean) => void;
  reloaded(outcome: ReloadOutcome, wallMs: number): void;
  readonly refused: (app: string, reason: string, samples: number) => void;
  /** For how long an outage of a receiver of remote_write is bridged now, at its worst moment. */
  readonly bridged: (bridgedMs: number) => void;
  /** Something that Prometheus runs failed. */
  readonly failed: (kind: FailureKind, name: string) => void;
  /** How many of a kind fail at present. */
  readonly failing: (kind: FailureKind, number: number) => void;
  restored(isRestored: boolean): void;
  supervised(event: SupervisorEvent): void;
  /** Data of its Prometheus are lost. */
  readonly dataLost: (cause: Loss) => void;
  settled(outcome: SettingsOutcome, wallMs: number): void;
  /** Where the room of the agent's own Prometheus is read from now on. */
  readonly showCapacity: (status: () => CapacityStatus) => void;
}

export function createMetrics(registry: Registry): Metrics {
  const registers = [registry];
  collectProcessMetrics(registry);
  const showCapacity = collectCapacityMetrics(registry, PREFIX);
  const counter = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name: PREFIX + name, help, labelNames, registers });
  const gauge = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name: PREFIX + name, help, labelNames, registers });

  const polls = counter('polls_total', 'Polls of the Tsuru API.');
  const pollsFailed = counter('polls_failed_total', 'Failed polls, by reason; targets are kept.', ['reason']);
  const pollSuccess = gauge(
    'poll_last_success_timestamp_seconds',
    'Time of the last successful poll; 0 before the first.',
  );
  const pollDuration = new Histogram({
    name: `${PREFIX}poll_duration_seconds`,
    help: 'How long polls took, from the request to the targets written.',
    buckets: DURATION_BUCKETS,
    registers,
  });
  const requests = counter(
    'api_requests_total',
    'Requests to the Tsuru API by call and status; a failure without a status by its reason.',
    ['call', 'status'],
  );
  const apps = gauge('apps', 'Apps bound to this instance.');
  const appsUnknown = gauge('apps_unknown', 'Apps whose units are unknown; their last targets are kept.');
  const targets = gauge('targets', 'Targets by app.', ['app']);
  const refused = counter(
    'samples_refused_total',
    'Samples of scrapes that Prometheus did not store for their timestamps, by app and reason.',
    ['app', 'reason'],
  );
  const failures = counter(
    'runtime_failures_total',
    'Looks at Prometheus (every 15s) that found a new failure, by kind and name of what failed.',
    ['kind', 'name'],
  );
  const failing = gauge('runtime_failing', 'Failures that the status reports now, by kind.', ['kind']);
  const failureNames = new Map(FAILURE_KINDS.map((kind) => [kind, new Set<string>()]));
  FAILURE_KINDS.forEach((kind) => {
    failing.set({ kind }, 0);
  });
  const leftOut = gauge('units_left_out', 'Units that are not scraped, by reason.', ['reason']);
  const writes = counter('target_writes_total', 'Versions of the target file that were written.');
  const writesFailed = counter('target_writes_failed_total', 'Failed writes of the target file; the old file is kept.');
  const lastWrite = gauge(
    'target_last_write_timestamp_seconds',
    'When the target file was last written; 0 if it was not.',
  );
  const bridged = gauge(
    'remote_write_bridged_seconds',
    'How long a receiver of remote_write may be away now before samples are lost, at the worst moment.',
  );
  const stateFailed = counter('state_writes_failed_total', 'Writes of the state file that failed.');
  const inSync = gauge('in_sync', 'Whether Prometheus is proven to have loaded the last targets: 1 or 0.');
  const loadDuration = new Histogram({
    name: `${PREFIX}load_duration_seconds`,
    help: 'How long changes took from seen in Tsuru to loaded in Prometheus.',
    buckets: DURATION_BUCKETS,
    registers,
  });
  const revivals = counter('discovery_revivals_total', 'Restarts of a stalled file discovery of Prometheus.');
  const checks = counter('config_checks_total', 'Checks of a new configuration by promtool.');
  const checksFailed = counter(
    'config_checks_failed_total',
    'Configurations that promtool refused; the last valid one is kept.',
  );
  const reloads = counter('reloads_total', 'Reloads of Prometheus that were tried.');
  const reloadsFailed = counter('reloads_failed_total', 'Reloads that failed: Prometheus refused, or it is unknown.', [
    'reason',
  ]);
  const reloadSuccess = gauge(
    'reload_last_success_timestamp_seconds',
    'Time of the last proven reload; 0 before the first.',
  );
  const reloadSuccessful = gauge('reload_last_successful', 'Whether the last reload was proven: 1 or 0.');
  RELOAD_FAILURES.forEach((reason) => {
    reloadsFailed.inc({ reason }, 0);
  });
  const settingsRefused = gauge(
    'settings_refused',
    'Whether the newest settings are refused, and older ones in force: 1 or 0.',
  );
  const settingsAccepted = gauge(
    'settings_accepted_timestamp_seconds',
    'Time of the last accepted settings; 0 before the first since the start.',
  );
  const starts = counter('prometheus_starts_total', 'How often the agent started its Prometheus.');
  const restarts = counter('prometheus_restarts_total', 'Restarts of Prometheus because its flags changed.');
  const crashes = counter('prometheus_crashes_total', 'How often Prometheus ended by itself, by how.', ['how']);
  CRASHES.forEach((how) => {
    crashes.inc({ how }, 0);
  });
  const walLosses = counter(
    'prometheus_wal_losses_total',
    'How often its write-ahead log was taken away, as it did not fit into memory.',
  );
  const dataLosses = counter(
    'prometheus_data_losses_total',
    'Times that data were deleted from a full volume, or set aside because they were damaged, by cause.',
    ['cause'],
  );
  LOSSES.forEach((cause) => {
    dataLosses.inc({ cause }, 0);
  });
  const startDuration = gauge('prometheus_start_duration_seconds', 'How long the last start took until it was ready.');
  const restored = gauge('state_restored', 'Whether targets of an earlier run were restored at the start: 1 or 0.');
  gauge('build_info', 'This agent: always 1.', ['version', 'node']).set(
    { version: VERSION, node: process.versions.node },
    1,
  );
  POLL_FAILURES.forEach((reason) => {
    pollsFailed.inc({ reason }, 0);
  });

  return {
    showCapacity,
    dataLost(cause) {
      dataLosses.inc({ cause });
    },
    polled(outcome, durationMs, wallMs) {
      polls.inc();
      pollDuration.observe(durationMs / 1000);
      if (outcome.kind === 'failed') pollsFailed.inc({ reason: outcome.failure });
      else pollSuccess.set(wallMs / 1000);
    },
    called(call, status) {
      requests.inc({ call, status });
    },
    discovered(discovery) {
      apps.set(discovery.apps.length);
      appsUnknown.set(discovery.apps.filter(({ known }) => known.unknown !== undefined).length);
      targets.reset();
      for (const app of discovery.apps) targets.set({ app: app.known.app.name }, app.groups.length);
      const reasons = discovery.apps.flatMap((app) => app.leftOut.map(({ reason }) => reason));
      for (const reason of LEFT_OUT_REASONS)
        leftOut.set({ reason }, reasons.filter((other) => other === reason).length);
    },
    wrote(outcome, wallMs) {
      if (outcome.kind === 'written') {
        writes.inc();
        lastWrite.set(wallMs / 1000);
      } else if (outcome.kind === 'failed') {
        writesFailed.inc();
      }
    },
    stateNotSaved() {
      stateFailed.inc();
    },
    inSync(isInSync) {
      inSync.set(isInSync ? 1 : 0);
    },
    loaded(durationMs) {
      loadDuration.observe(durationMs / 1000);
    },
    revived() {
      revivals.inc();
    },
    checked(succeeded) {
      checks.inc();
      if (!succeeded) checksFailed.inc();
    },
    reloaded(outcome, wallMs) {
      if (outcome.kind === 'not_ready') return;
      reloads.inc();
      reloadSuccessful.set(outcome.kind === 'loaded' ? 1 : 0);
      if (outcome.kind === 'loaded') reloadSuccess.set(wallMs / 1000);
      else reloadsFailed.inc({ reason: outcome.kind });
    },
    refused(app, reason, samples) {
      refused.inc({ app, reason }, samples);
    },
    bridged(bridgedMs) {
      bridged.set(bridgedMs / 1000);
    },
    failed(kind, name) {
      const names = failureNames.get(kind);
      if ((names?.size ?? 0) < MOST_FAILURE_NAMES) names?.add(name);
      failures.inc({ kind, name: names?.has(name) === true ? name : 'other' });
    },
    failing(kind, number) {
      failing.set({ kind }, number);
    },
    restored(isRestored) {
      restored.set(isRestored ? 1 : 0);
    },
    settled(outcome, wallMs) {
      if (outcome.kind === 'accepted') settingsAccepted.set(wallMs / 1000);
      if (outcome.kind !== 'not_saved') settingsRefused.set(outcome.kind === 'refused' ? 1 : 0);
    },
    supervised(event) {
      if (event.kind === 'started') starts.inc();
      else if (event.kind === 'restarting') restarts.inc();
      else if (event.kind === 'crashed') crashes.inc({ how: event.crash });
      else if (event.kind === 'wal_lost') walLosses.inc();
      else if (event.kind === 'damaged') dataLosses.inc({ cause: 'damaged' });
      else if (event.kind === 'ready') startDuration.set(event.tookMs / 1000);
    },
  };
}
