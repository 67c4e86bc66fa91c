import Registry from 'prom-client/lib/registry.js';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { createMetrics } from './metrics.ts';
import { createPoller } from './poll/poller.ts';
import { createPrometheusClient } from './prometheus/client.ts';
import { createConfiguration } from './prometheus/configuration.ts';
import { createHealth } from './prometheus/health.ts';
import { createProver } from './prometheus/prover.ts';
import { createReporter } from './reporter.ts';
import { json, serve, text, type Pages } from './server.ts';
import type { Log } from './shared/log.ts';
import { formatDuration } from './shared/duration.ts';
import { count } from './shared/text.ts';
import { createTsuruClient } from './shared/tsuru.ts';
import { createStateFile, restore } from './state.ts';
import { statusOf, type Status } from './status.ts';
import { createTargetFile } from './targets/file.ts';
import { createPublisher } from './targets/publisher.ts';
import { createTroubles } from './troubles.ts';

/** How long after it was due a poll may end: one that waits for Tsuru and for hundreds of missing apps takes minutes, none takes longer. */
const STUCK_AFTER_MS = 10 * 60_000;

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
  const reporter = createReporter({ log, metrics, troubles, wallMs: clock.wallMs });

  const configuration = createConfiguration({
    baseFile: config.baseConfig,
    rulesFolder: config.rulesFolder,
    dataFolder: config.dataFolder,
    targetsFile: file.path,
    scrape: { intervalMs: config.scrapeIntervalMs, timeoutMs: config.scrapeTimeoutMs },
    addresses: { prometheus: config.prometheusUrl.host, agent: hostPort(config.listen) },
    client: prometheus,
    clock,
    onStatus: reporter.onConfiguration,
    onCheck: reporter.onCheck,
    onReload: reporter.onReload,
    onPolling: reporter.onPolling,
  });
  const prover = createProver({
    client: prometheus,
    targetsFile: file.path,
    scrape: { intervalMs: config.scrapeIntervalMs, timeoutMs: config.scrapeTimeoutMs },
    clock,
    onSync: reporter.onSync,
    onLoaded: reporter.onLoaded,
    onDead(reason) {
      reporter.onDead(reason);
      configuration.revive();
    },
  });
  let isRestoring = true;
  const publisher = createPublisher({
    state,
    file,
    clock,
    discovery: {
      scrape: { intervalMs: config.scrapeIntervalMs, timeoutMs: config.scrapeTimeoutMs },
      targetsPerApp: config.targetsPerApp,
    },
    onChange(discovery, changes) {
      // What comes back from disk is no news.
      reporter.onChange(discovery, isRestoring ? [] : changes);
    },
    onReplace: prover.replacing,
    onWrite(outcome) {
      reporter.onWrite(outcome);
      if (outcome.kind === 'failed') {
        prover.lookAgain();
        return;
      }
      const { seconds, seenAtMs, discovery } = outcome;
      prover.written({ seconds, seenAtMs, groups: discovery.groups });
    },
    onState: reporter.onState,
  });

  // A disk that refuses is told with the first write.
  await file.makeFolder().catch(() => undefined);
  await configuration.prepare(signal);
  const { known, problems } = await restore(state, file, clock.wallMs());
  problems.forEach((problem) => {
    log.warn(problem);
  });
  metrics.restored(known !== undefined);
  if (known !== undefined) {
    await publisher.publish(known, clock.nowMs());
    log.info(
      `restored ${count(publisher.current()?.groups.length ?? 0, 'target')} of ${count(known.size, 'app')} from disk`,
    );
  }

  isRestoring = false;
  let nextPollAtMs = clock.nowMs();

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
      onPoll: reporter.onPoll,
      onDetails: reporter.onDetails,
      onWait(waitMs) {
        nextPollAtMs = clock.nowMs() + waitMs;
        reporter.onWait(waitMs);
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
      progress: reporter.progress(),
      sync: prover.status(),
      file: file.path,
      restored: known !== undefined,
      readiness,
      healthOf,
    });
  }

  const pages: Pages = {
    'GET /metrics': async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
    'GET /healthz': () => {
      const overdueMs = clock.nowMs() - nextPollAtMs;
      const isStuck = overdueMs > STUCK_AFTER_MS;
      const late = formatDuration(Math.max(0, Math.round(overdueMs / 1000) * 1000));
      return Promise.resolve(
        isStuck ? text(503, `The poll that was due ${late} ago has not ended.`) : text(200, 'Alive.'),
      );
    },
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
  const server = await serve(pages, config.listen, [config.tsuruToken], log);
  log.info({ listen: server.url, tsuru: config.tsuruUrl.host, targets: file.path }, 'the agent follows Tsuru');

  const stopped = Promise.all([poller.run(signal), prover.run(signal), configuration.run(signal)]).then(async () => {
    await Promise.all([server.close(), tsuru.close(), prometheus.close()]);
    log.info('the agent has stopped');
  });
  return { url: server.url, stopped };
}

function hostPort({ host, port }: Config['listen']): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
