import { Registry } from 'prom-client';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Change } from './discovery/changes.ts';
import type { Discovery } from './discovery/discover.ts';
import { createMetrics } from './metrics.ts';
import type { DetailsFailure } from './poll/details.ts';
import { createPoller, type PollOutcome } from './poll/poller.ts';
import { createPrometheusClient } from './prometheus/client.ts';
import { createHealth } from './prometheus/health.ts';
import { json, serve, text, type Pages } from './server.ts';
import type { Log } from './shared/log.ts';
import { count, listNames } from './shared/text.ts';
import { createTsuruClient } from './shared/tsuru.ts';
import { createStateFile, restore } from './state.ts';
import { statusOf, type Status } from './status.ts';
import { createTargetFile } from './targets/file.ts';
import { createPublisher, type WriteOutcome } from './targets/publisher.ts';
import { createTroubles } from './troubles.ts';

export interface Agent {
  /** Where its own pages are. */
  readonly url: string;
  /** Resolves once the agent has stopped, after the signal that it was started with was aborted. */
  readonly stopped: Promise<void>;
}

/**
 * Starts an agent: restores the last targets, opens its pages, and follows Tsuru until the signal aborts.
 * @throws when its port cannot be opened.
 */
export async function startAgent(config: Config, log: Log, clock: Clock, signal: AbortSignal): Promise<Agent> {
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const troubles = createTroubles(log, clock.wallMs);
  const tsuru = createTsuruClient({ url: config.tsuruUrl, token: config.tsuruToken, onCall: metrics.called });
  const prometheus = createPrometheusClient(config.prometheusUrl);
  const health = createHealth(prometheus, clock.nowMs);
  const file = createTargetFile(config.dataFolder, clock.wallMs);
  const state = createStateFile(config.dataFolder);
  const progress: Progress = {};

  const publisher = createPublisher({
    state,
    file,
    clock,
    discovery: {
      scrape: { intervalMs: config.scrapeIntervalMs, timeoutMs: config.scrapeTimeoutMs },
      targetsPerApp: config.targetsPerApp,
    },
    onChange(discovery, changes) {
      metrics.discovered(discovery);
      logChanges(log, changes);
      noteUnknown(discovery);
    },
    onWrite: noteWrite,
    onState(problem) {
      metrics.stateSaved(problem === undefined);
      if (problem === undefined) troubles.end('state', 'the state is saved again');
      else
        troubles.begin(
          'state',
          `the state cannot be saved, so a restart while Tsuru is down would lose what changed since: ${problem}`,
        );
    },
  });

  function noteWrite(outcome: WriteOutcome): void {
    metrics.wrote(outcome, clock.wallMs());
    if (outcome.kind !== 'unchanged') progress.lastWrite = { atMs: clock.wallMs(), ok: outcome.kind === 'written' };
    if (outcome.kind !== 'failed') troubles.end('write', 'the target file is written again');
    else troubles.begin('write', `the target file cannot be written, the old one stays: ${outcome.reason ?? ''}`);
  }

  function noteUnknown(discovery: Discovery): void {
    const unknown = discovery.apps.filter(({ known }) => known.unknown !== undefined);
    const [first] = unknown;
    if (first === undefined) {
      troubles.end('unknown', "Tsuru tells every app's units again");
      return;
    }
    const names = listNames(unknown.map(({ known }) => known.app.name));
    troubles.begin(
      'unknown',
      `the units of ${names} are unknown, their last targets stay: ${first.known.unknown?.reason ?? ''}`,
    );
  }

  function notePoll(outcome: PollOutcome, durationMs: number): void {
    const atMs = clock.wallMs();
    metrics.polled(outcome, durationMs, atMs);
    progress.lastPoll = { atMs, ok: outcome.kind === 'answered' };
    if (outcome.kind === 'failed') {
      const { reason, requestId } = outcome;
      troubles.begin('poll', `Tsuru cannot be polled, every target stays: ${reason}${hint(outcome)}`, { requestId });
      return;
    }
    progress.lastPollSuccessMs = atMs;
    troubles.end('poll', 'Tsuru is polled again');
    if (outcome.problems.length === 0) troubles.end('list', "Tsuru's list of apps is whole again");
    else troubles.begin('list', outcome.problems.join('; '));
  }

  function noteDetails(failures: readonly DetailsFailure[]): void {
    const [first] = failures;
    if (first === undefined) {
      troubles.end('details', "the apps' ports are told again");
      return;
    }
    const names = listNames(failures.map(({ name }) => name));
    troubles.begin('details', `the ports of ${names} could not be asked for, those known stay: ${first.reason}`);
  }

  const { known, problems } = await restore(state, file, clock.wallMs());
  problems.forEach((problem) => {
    log.warn(problem);
  });
  metrics.restored(known !== undefined);
  if (known !== undefined) {
    await publisher.publish(known);
    log.info(
      `restored ${count(publisher.current()?.groups.length ?? 0, 'target')} of ${count(known.size, 'app')} from disk`,
    );
  }

  const poller = createPoller({
    tsuru,
    clock,
    random: Math.random,
    intervalMs: config.pollIntervalMs,
    ownApp: config.ownApp,
    restored: known ?? new Map(),
    sink: {
      publish: publisher.publish,
      onGone: publisher.explain,
      onPoll: notePoll,
      onDetails: noteDetails,
      onWait(waitMs) {
        progress.nextPollMs = clock.wallMs() + waitMs;
      },
      changedAtMs: publisher.changedAtMs,
      writePending: publisher.writePending,
    },
  });

  async function status(): Promise<Status> {
    const discovery = publisher.current();
    const [readiness, healthOf] = await Promise.all([
      health.readiness(),
      health.targets(discovery?.groups.length ?? 0),
    ]);
    return statusOf({
      ownApp: config.ownApp,
      discovery,
      onDisk: publisher.isOnDisk(),
      troubles: troubles.current(),
      lastPoll: progress.lastPoll,
      lastPollSuccessMs: progress.lastPollSuccessMs,
      nextPollMs: progress.nextPollMs,
      lastWrite: progress.lastWrite,
      file: file.path,
      restored: known !== undefined,
      readiness,
      healthOf,
    });
  }

  const pages: Pages = {
    'GET /metrics': async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
    'GET /healthz': () => Promise.resolve(text(200, 'The agent is alive.')),
    'GET /readyz': async () => {
      const readiness = await health.readiness();
      if (!publisher.isOnDisk()) return text(503, 'Not ready: no targets were written or restored yet.');
      return readiness.ready ? text(200, 'Ready.') : text(503, `Not ready: Prometheus is not: ${readiness.reason}`);
    },
    'GET /tsuru/status': async () => json(200, await status()),
    'POST /tsuru/poll': async () => {
      const outcome = await poller.pollNow();
      if (outcome.kind === 'failed') return text(502, `Polled, but: ${outcome.reason}`);
      return text(200, `Polled: ${count(publisher.current()?.groups.length ?? 0, 'target')}.`);
    },
  };
  const server = await serve(pages, config.listen, log);
  log.info({ listen: server.url, tsuru: config.tsuruUrl.host, targets: file.path }, 'the agent follows Tsuru');

  const stopped = poller.run(signal).then(async () => {
    await Promise.all([server.close(), tsuru.close(), prometheus.close()]);
    log.info('the agent has stopped');
  });
  return { url: server.url, stopped };
}

/** What happened last, for the status. */
interface Progress {
  lastPoll?: { atMs: number; ok: boolean };
  lastPollSuccessMs?: number;
  nextPollMs?: number;
  lastWrite?: { atMs: number; ok: boolean };
}

function logChanges(log: Log, changes: readonly Change[]): void {
  for (const { app, level, text: line } of changes) log[level]({ app }, line);
}

function hint(outcome: PollOutcome): string {
  if (outcome.kind !== 'failed' || outcome.failure !== 'unauthorized') return '';
  return '; if this lasts, the token in TSURU_TOKEN was removed or replaced (Tsuru also answers 401 while its database fails)';
}
