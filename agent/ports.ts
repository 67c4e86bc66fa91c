import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sampleKey } from './capacity/samples.ts';
import { DASHBOARDS } from './config.ts';
import type { Desired } from './desired.ts';
import type { Edges } from './edges.ts';
import type { FactStore } from './facts.ts';
import { startGateway } from './gateway/gateway.ts';
import { createGatewayMetrics } from './gateway/metrics.ts';
import type { PageFacts } from './page/facts.ts';
import { createPageQuestions, senderStates } from './report/page-facts.ts';
import { createGrafanaPages } from './report/grafana.ts';
import { createGuardedPages, createPages } from './report/pages.ts';
import type { Poller } from './tsuru/poller.ts';
import { createPokes } from './tsuru/pokes.ts';
import type { Prover } from './prometheus/sync/sync.ts';
import { serve, type Pages } from './report/server.ts';
import type { Sources } from './sources.ts';
import type { Handed } from './system/access.ts';
import { fingerprintOf } from './shared/fingerprint.ts';
import { queryLimitsOf } from './shared/query-limits.ts';
import type { Status } from './shared/status.ts';
import { statusOf } from './report/status.ts';
import type { Publisher } from './targets/publisher.ts';
import type { TsuruSource } from './tsuru-source.ts';

/** What Grafana calls an instance that is no app of Tsuru's. */
const UNNAMED = 'prometheus';

export interface PortsOptions {
  readonly edges: Edges;
  readonly sources: Sources;
  readonly publisher: Publisher;
  readonly sync: Prover;
  readonly poller: Poller;
  readonly source: TsuruSource;
  readonly facts: FactStore;
  readonly desired: () => Desired;
  /** Whether targets of the last run were known at the start. */
  readonly isRestored: boolean;
  readonly signal: AbortSignal;
}

/** What the agent listens on: its own pages on loopback, and the guarded port. */
export interface Ports {
  /** Where its own pages are. */
  readonly url: string;
  readonly closeGuarded: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** @throws when a port cannot be opened. */
export async function openPorts(options: PortsOptions): Promise<Ports> {
  const { edges, facts, sources, publisher, sync, poller, source, isRestored, signal } = options;
  const { config, supervised, registry, secrets, log, clock, troubles, targetFile } = edges;
  const { health, capacity } = sources;

  async function status(): Promise<Status> {
    const discovery = publisher.current();
    const [readiness, healthOf] = await Promise.all([
      health.readiness(),
      health.targets(discovery?.groups.length ?? 0),
    ]);
    return statusOf({
      wallMs: clock.wallMs(),
      ownApp: config.ownApp,
      token: fingerprintOf(edges.access.token()),
      discovery,
      onDisk: publisher.isOnDisk(),
      troubles: troubles.current(),
      progress: edges.progress(),
      sync: sync.status(),
      file: targetFile.path,
      restored: isRestored,
      isSupervised: supervised !== undefined,
      capacity: capacity?.status(),
      readiness,
      healthOf,
      samplesOf: (app, unit) => facts.current().capacity?.samples?.get(sampleKey(app, unit)),
      problemsOf: sources.problemsOf,
    });
  }

  const fromPrometheus = createPageQuestions({
    ask: edges.prometheus.data,
    home: edges.prometheus.home,
    query: (expression) => edges.prometheus.query(expression),
    wallMs: clock.wallMs,
    nowMs: clock.nowMs,
  });

  async function pageFacts(): Promise<PageFacts> {
    const [now, asked] = await Promise.all([status(), fromPrometheus()]);
    const { noted } = edges.progress();
    return {
      nowMs: clock.wallMs(),
      status: now,
      names: noted?.names,
      plan: noted?.plan,
      settings: facts.current().settings,
      troubles: troubles.current(),
      senders: senderStates(sources.senders.last()),
      changes: edges.changes(),
      ...asked,
    };
  }

  const pages = createPages({
    registry,
    status,
    readiness: health.readiness,
    isOnDisk: publisher.isOnDisk,
    overdueMs: source.overdueMs,
    verdictOf: edges.access.verdictOf,
    sleep: (durationMs) => clock.sleep(durationMs, signal),
    async poll(again) {
      const outcome = await poller.pollNow(again);
      return { outcome, targets: publisher.current()?.groups.length ?? 0 };
    },
  });
  const grafanaPages = (username: string): Pages =>
    createGrafanaPages({
      datasource: () => ({
        app: config.ownApp ?? UNNAMED,
        url: facts.current().address,
        username,
        scrapeIntervalMs: options.desired().scrape.intervalMs,
      }),
      names: () => edges.progress().noted?.names,
      dashboard: (name) => readFile(join(DASHBOARDS, `${name}.json`), 'utf8'),
    });
  async function take(handed: Handed): Promise<void> {
    await edges.access.take(handed);
    log.info({ taken: Object.keys(handed) }, 'took over what the broker handed over');
    if (handed.token !== undefined) pokes.poke(new Set());
  }
  const pokes = createPokes({ poll: (again) => poller.pollNow(again), clock, signal });
  const server = await serve(pages, config.listen, secrets, log);
  log.info({ listen: server.url, tsuru: config.tsuruUrl.host, targets: targetFile.path }, 'the agent follows Tsuru');
  const goMemLimitBytes = options.desired().capacity?.budget.goMemLimitBytes;
  const gateway =
    config.gateway === undefined || edges.access.verdictOf === undefined
      ? undefined
      : await startGateway({
          listen: config.gateway.listen,
          prometheus: config.prometheus.url,
          authorization: supervised?.access.authorization,
          verdictOf: edges.access.verdictOf,
          pages: {
            ...createGuardedPages({ pages, poke: pokes.poke, facts: pageFacts, take, secrets }),
            ...grafanaPages(config.gateway.username),
          },
          secrets,
          readiness: async () => ({
            targetsKnown: publisher.isOnDisk(),
            prometheusReady: (await health.readiness()).ready,
          }),
          log,
          metrics: createGatewayMetrics(registry),
          onStopped: sources.onStopped,
          nowMs: clock.nowMs,
          ...(supervised === undefined
            ? {}
            : { limits: { queriesAtOnce: queryLimitsOf(goMemLimitBytes, Infinity).ofUsers } }),
        });
  if (gateway !== undefined) log.info({ listen: gateway.url }, 'the public port is open');
  return {
    url: server.url,
    closeGuarded: async () => gateway?.close(),
    close: () => server.close(),
  };
}
