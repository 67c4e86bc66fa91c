import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import Registry from 'prom-client/lib/registry.js';
import { createOwnAddress } from './address.ts';
import { makeRoom } from './budget/free.ts';
import type { Clock } from './shared/clock.ts';
import { hostPort, secretsOf, type Config } from './config.ts';
import { createCheck } from './shared/basic-auth.ts';
import type { Environment } from './shared/environment.ts';
import type { Discovery, DiscoveryOptions } from './discovery/discover.ts';
import { startGateway } from './gateway/gateway.ts';
import { createGatewayMetrics } from './gateway/metrics.ts';
import { createMetrics } from './metrics.ts';
import { occupy } from './occupancy.ts';
import { createPages } from './pages.ts';
import { createPoller } from './poll/poller.ts';
import { createAuthorityFolder } from './prometheus/authorities.ts';
import { createPrometheusClient } from './prometheus/client.ts';
import { createConfiguration } from './prometheus/configuration.ts';
import { createCredentials, headerProblem, variablesOf } from './prometheus/credentials.ts';
import { createHealth } from './prometheus/health.ts';
import { passedOn } from './prometheus/launch.ts';
import { hasProxy, proxyProblem } from './prometheus/proxies.ts';
import { createOwnPrometheus, type OwnPrometheus } from './prometheus/own.ts';
import { createStarts } from './prometheus/starts.ts';
import { createProver } from './prometheus/prover.ts';
import { createOwnSecret } from './prometheus/secret.ts';
import { watchVersion } from './prometheus/version-watch.ts';
import { featuresOf } from './prometheus/version.ts';
import { createLearntFile } from './redirects/file.ts';
import { probe } from './redirects/probe.ts';
import { createRedirects } from './redirects/redirects.ts';
import { createFailures } from './failures/failures.ts';
import { createReach } from './failures/reach.ts';
import { createReporter } from './reporter.ts';
import { createRefusals } from './samples/refusals.ts';
import { createSenders } from './samples/senders.ts';
import { survey } from './samples/survey.ts';
import { serve } from './server.ts';
import { createInstanceSettings } from './settings.ts';
import type { Log } from './shared/log.ts';
import { fingerprintOf } from './shared/fingerprint.ts';
import { createPromtool } from './shared/promtool.ts';
import { queryLimitsOf } from './shared/query-limits.ts';
import { SETTINGS_ANNOTATION } from './shared/settings/settings.ts';
import type { Status } from './shared/status.ts';
import { count, errorText } from './shared/text.ts';
import { createTsuruClient } from './shared/tsuru.ts';
import { createStateFile, restore } from './state.ts';
import { statusOf } from './status.ts';
import { createTargetFile, type TargetFile } from './targets/file.ts';
import { parseGroups, type TargetGroup } from './targets/groups.ts';
import { createPublisher } from './targets/publisher.ts';
import { createTroubles } from './troubles.ts';

/** How long Prometheus waits at the start for what the first poll tells: less than anybody waits for a container. */
const FIRST_LOOK_LIMIT_MS = 5_000;

/** How often it is looked for the first configuration. */
const CONFIGURATION_EVERY_MS = 500;

export interface Agent {
  /** Where its own pages are. */
  readonly url: string;
  /** Resolves once the agent has stopped, after the signal that it was started with was aborted. */
  readonly stopped: Promise<void>;
}

/**
 * Starts an agent: restores the last targets, opens its pages, and follows Tsuru until the signal aborts.
 * @throws when its port cannot be opened, or another agent or Prometheus uses its folders.
 */
export async function startAgent(
  config: Config,
  given: Environment,
  log: Log,
  clock: Clock,
  signal: AbortSignal,
): Promise<Agent> {
  const storageFolder = config.prometheus.kind === 'supervised' ? config.prometheus.storageFolder : undefined;
  const authorityFolder = createAuthorityFolder(config.dataFolder, config.authorities, given);
  const { environment } = authorityFolder;
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const troubles = createTroubles(log, clock.wallMs, () => signal.aborted);
  const tsuru = createTsuruClient({ url: config.tsuruUrl, token: config.tsuruToken, onCall: metrics.called });
  const access = config.prometheus.kind === 'supervised' ? createOwnSecret(config.dataFolder) : undefined;
  const secrets = [...secretsOf(config), ...(access === undefined ? [] : [access.password])];
  const prometheus = createPrometheusClient(config.prometheus.url, {
    absence: () =>
      config.prometheus.kind === 'external' ? undefined : own === undefined ? 'it is not started yet' : own.absence(),
    access,
  });
  const file = createTargetFile(config.dataFolder, clock.wallMs);
  const state = createStateFile(config.dataFolder);
  const reporter = createReporter({ log, metrics, troubles, wallMs: clock.wallMs });

  let features = featuresOf(undefined);
  const settings = createInstanceSettings({
    dataFolder: config.dataFolder,
    defaults: config.settings,
    clock,
    check: (candidate) => configuration.check(candidate, signal),
    stopping: signal,
    onOutcome(outcome) {
      reporter.onSettings(outcome);
      if (outcome.kind !== 'accepted') return;
      applySettings();
      configuration.update();
      void publisher.publishAgain();
      own?.launch(address.url());
    },
  });
  let scraping: DiscoveryOptions;
  let own: OwnPrometheus | undefined;
  const address = createOwnAddress(config.dataFolder);

  function applySettings(): void {
    const { scrapeIntervalMs, scrapeTimeoutMs, targetsPerApp } = settings.current();
    scraping = { scrape: { intervalMs: scrapeIntervalMs, timeoutMs: scrapeTimeoutMs }, targetsPerApp };
    const missing = [...variablesOf(settings.current())].filter((name) => (environment[name] ?? '') === '');
    reporter.onMissingCredentials(missing);
    tellUnsent();
    own?.room.update();
  }

  function tellUnsent(): void {
    reporter.onHeaders(headerProblem(settings.current(), features));
    reporter.onProxy(proxyProblem(settings.current(), features, hasProxy(environment)));
  }

  async function placeAuthorities(): Promise<void> {
    try {
      await authorityFolder.place();
      reporter.onAuthorities(config.authorities.warnings);
    } catch (error) {
      const unknown = `Prometheus does not know the CAs of CA_CERTIFICATES, as they cannot be written: ${errorText(error)}`;
      reporter.onAuthorities([...config.authorities.warnings, unknown]);
    }
  }

  /** Only while no Prometheus runs. */
  async function freeRoom(isStart = false): Promise<void> {
    if (storageFolder !== undefined)
      reporter.onRoom(await makeRoom({ storageFolder, dataFolder: config.dataFolder, isStart }));
    await placeAuthorities();
  }

  applySettings();
  function versionIs(version: string | undefined): void {
    const now = featuresOf(version);
    if (isDeepStrictEqual(now, features)) return;
    if (version === undefined)
      log.info(
        `Prometheus ${features.version ?? ''} is gone: its configuration is made for any version, until one tells`,
      );
    features = now;
    tellUnsent();
    configuration.update();
  }
  const health = createHealth(prometheus, clock.nowMs, versionIs);
  const configuration = createConfiguration({
    baseFile: config.baseConfig,
    rulesFolder: config.rulesFolder,
    dataFolder: config.dataFolder,
    inForce: () => ({
      settings: settings.current(),
      features,
      mostSamples: own?.room.mostSamples(),
      blockRangeMs: own?.room.budget().layout?.rangeMs,
      retentionSizeBytes: own === undefined ? settings.current().retentionSizeBytes : own.room.retentionSizeBytes(),
    }),
    credentials: createCredentials(config.dataFolder, environment),
    promtool: createPromtool(passedOn(environment)),
    fixed: {
      targetsFile: file.path,
      replica: config.replica,
      addresses: { prometheus: config.prometheus.url.host, agent: hostPort(config.listen) },
      access,
      hasProxy: hasProxy(environment),
    },
    client: prometheus,
    clock,
    onStatus(status) {
      reporter.onConfiguration(status);
      // One that somebody else runs tells its version once it runs.
      if (status.loadedAtMs !== undefined) void health.readiness();
    },
    onCheck: reporter.onCheck,
    onReload: reporter.onReload,
    onPolling: reporter.onPolling,
  });
  const prover = createProver({
    client: prometheus,
    targetsFile: file.path,
    scrape: () => scraping.scrape,
    clock,
    onSync: reporter.onSync,
    onLoaded: reporter.onLoaded,
    onDead(reason) {
      reporter.onDead(reason);
      configuration.revive();
    },
  });
  const redirects = createRedirects({
    file: createLearntFile(config.dataFolder),
    client: prometheus,
    probe,
    clock,
    scrapeIntervalMs: () => scraping.scrape.intervalMs,
    log,
    onChange: () => void publisher.publishAgain(),
  });
  const refusals = createRefusals({
    discovery: () => publisher.current(),
    wallMs: clock.wallMs,
    nowMs: clock.nowMs,
    log,
    troubles,
    onRefused: metrics.refused,
  });
  const failures = createFailures({
    client: prometheus,
    reach:
      config.prometheus.kind === 'supervised' && !hasProxy(environment)
        ? createReach(() => settings.current().alertmanagers.map(({ url }) => url))
        : undefined,
    troubles,
    wallMs: clock.wallMs,
    nowMs: clock.nowMs,
    onFailure: metrics.failed,
    onFailing: metrics.failing,
  });
  let isRestoring = true;
  const publisher = createPublisher({
    state,
    file,
    clock,
    discovery: () => scraping,
    fit: () => redirects.before(own?.room.fit() ?? asDiscovered),
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

  const starts = createStarts(config.dataFolder, storageFolder ?? '');
  const release = await occupy({
    dataFolder: config.dataFolder,
    storageFolder,
    endOrphan: () => starts.endOrphan(signal),
    log,
  });
  await freeRoom(true);
  // A disk that refuses is told with the first write.
  await file.makeFolder().catch(() => undefined);
  await address.restore();
  const lost = await settings.restore();
  if (lost !== undefined) log.warn(lost);
  const unread = await redirects.restore();
  if (unread !== undefined) log.warn(unread);
  if (config.prometheus.kind === 'supervised' && access !== undefined) {
    own = await createOwnPrometheus(
      {
        ...config.prometheus,
        dataFolder: config.dataFolder,
        starts,
        configFile: configuration.configFile,
        access,
        environment,
        settings: settings.current,
        client: prometheus,
        clock,
        troubles,
        log,
        onLine(line) {
          reporter.onPrometheusLine(line);
          refusals.onLine(line);
          failures.onLine(line);
        },
        onEvent: reporter.onSupervisor,
        makeRoom: freeRoom,
        onLost: reporter.onLost,
        onConfiguration: configuration.update,
        onFit: () => void publisher.publishAgain(),
      },
      signal,
    );
    ({ features } = own);
    own.room.remember(await lastGroups(file));
    metrics.showRoom(own.room.status);
  }
  applySettings();
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
  const polled = Promise.withResolvers<undefined>();
  let offered: Promise<void> = Promise.resolve();

  const poller = createPoller({
    tsuru,
    clock,
    random: clock.random,
    intervalMs: config.pollIntervalMs,
    ownApp: config.ownApp,
    restored: known ?? new Map(),
    sink: {
      publish: publisher.publish,
      onGone: publisher.explain,
      onPoll(outcome, durationMs) {
        reporter.onPoll(outcome, durationMs);
        polled.resolve(undefined);
      },
      onDetails: reporter.onDetails,
      onOwnApp(app) {
        reporter.onOwnApp(app);
        if (app?.address === undefined) return;
        offered = follow(app.address, app.app.annotations[SETTINGS_ANNOTATION]);
      },
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
      wallMs: clock.wallMs(),
      ownApp: config.ownApp,
      token: fingerprintOf(config.tsuruToken),
      discovery,
      onDisk: publisher.isOnDisk(),
      troubles: troubles.current(),
      progress: reporter.progress(),
      sync: prover.status(),
      file: file.path,
      restored: known !== undefined,
      isSupervised: own !== undefined,
      room: own?.room.status(),
      readiness,
      healthOf,
      problemsOf: (app) => [...redirects.problemsOf(app), ...refusals.problemsOf(app)],
    });
  }

  const pages = createPages({
    registry,
    status,
    readiness: health.readiness,
    isOnDisk: publisher.isOnDisk,
    overdueMs: () => clock.nowMs() - nextPollAtMs,
    verdictOf: config.gateway === undefined ? undefined : createCheck(config.gateway),
    sleep: (durationMs) => clock.sleep(durationMs, signal),
    async poll() {
      const outcome = await poller.pollNow();
      return { outcome, targets: publisher.current()?.groups.length ?? 0 };
    },
  });
  const server = await serve(pages, config.listen, secrets, log);
  log.info({ listen: server.url, tsuru: config.tsuruUrl.host, targets: file.path }, 'the agent follows Tsuru');

  async function follow(told: string, annotation: string | undefined): Promise<void> {
    reporter.onAddress(await address.offer(told));
    await settings.offer(annotation);
    own?.launch(address.url());
  }

  /** Its settings and its address come with the first poll: waited for, they need no restart a moment later. */
  async function runOwn(): Promise<void> {
    const limit = new AbortController();
    const patience = config.ownApp === undefined ? 0 : FIRST_LOOK_LIMIT_MS;
    await Promise.race([polled.promise.then(() => offered), clock.sleep(patience, limit.signal), aborted(signal)]);
    limit.abort();
    // Without a configuration that was checked there is nothing to start.
    while (own !== undefined && !signal.aborted && !existsSync(configuration.configFile)) {
      await freeRoom();
      await clock.sleep(CONFIGURATION_EVERY_MS, signal);
    }
    own?.launch(address.url());
    await own?.run(signal);
  }

  const gateway =
    config.gateway === undefined
      ? undefined
      : await startGateway({
          listen: config.gateway.listen,
          prometheus: config.prometheus.url,
          authorization: access?.authorization,
          credentials: config.gateway,
          pages,
          secrets,
          readiness: async () => ({
            targetsKnown: publisher.isOnDisk(),
            prometheusReady: (await health.readiness()).ready,
          }),
          log,
          metrics: createGatewayMetrics(registry),
          onStopped: failures.onStopped,
          nowMs: clock.nowMs,
          ...(own === undefined
            ? {}
            : { limits: { queriesAtOnce: queryLimitsOf(own.room.budget().goMemLimitBytes, Infinity).ofUsers } }),
        });
  if (gateway !== undefined) log.info({ listen: gateway.url }, 'the public port is open');
  const stopped = Promise.all([
    poller.run(signal),
    prover.run(signal),
    configuration.run(signal),
    redirects.run(signal),
    survey(
      {
        client: prometheus,
        clock,
        senders: createSenders({ troubles, nowMs: clock.nowMs }),
        failures,
        refusals: own === undefined ? refusals : undefined,
      },
      signal,
    ),
    runOwn(),
    config.prometheus.kind === 'external'
      ? watchVersion({ client: prometheus, clock, onVersion: versionIs }, signal)
      : Promise.resolve(),
    // Who asks now is told to go elsewhere, while Prometheus closes its storage.
    aborted(signal).then(() => gateway?.close()),
  ]).then(async () => {
    await Promise.all([server.close(), tsuru.close(), prometheus.close()]);
    release();
    log.info('the agent has stopped');
  });
  return { url: server.url, stopped };
}

const asDiscovered = (discovery: Discovery): Discovery => discovery;

/** The groups of the last target file; none if it cannot be read, which is told where it is restored. */
async function lastGroups(file: TargetFile): Promise<readonly TargetGroup[]> {
  try {
    return [...parseGroups((await file.read()) ?? '[]').values()].flat();
  } catch {
    return [];
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
