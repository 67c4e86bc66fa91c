import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createAppliers, type Appliers } from './appliers.ts';
import { begin, prepareFolders, type StartState } from './start-state.ts';
import type { Clock } from './shared/clock.ts';
import { secretsOf, type Config } from './config.ts';
import { createAccess } from './system/access.ts';
import { createDesire } from './desired.ts';
import { createEdges, type Edges } from './edges.ts';
import { createFacts, type FactStore } from './facts.ts';
import { createPoller } from './tsuru/poller.ts';
import { openPorts } from './ports.ts';
import { createRounds, type Rounds } from './rounds.ts';
import { createSources, type Sources } from './sources.ts';
import type { Environment } from './shared/environment.ts';
import type { Log } from './shared/log.ts';
import { count } from './shared/text.ts';
import { restore, type Restored } from './tsuru/state.ts';
import { createTsuruSource } from './tsuru-source.ts';

/** How long the start of Prometheus waits for the first poll: less than the startup check of a container allows. */
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
 * Starts an agent: takes its folders, continues with what was known last, opens its pages, and follows Tsuru until the signal aborts.
 *
 * Sources find out facts; each change of facts is a round, which says what is desired; appliers bring that to disk and to Prometheus.
 * @param secrets What no line of the log may show, which the log looks at with each line: what is handed over is added.
 * @throws when its port cannot be opened, or another agent or Prometheus uses its folders.
 */
export async function startAgent(
  config: Config,
  given: Environment,
  log: Log,
  clock: Clock,
  signal: AbortSignal,
  secrets: string[] = [...secretsOf(config)],
): Promise<Agent> {
  /** Until they are made there is nothing of theirs to ask. */
  const made: { appliers?: Appliers } = {};
  const absence = (): string | undefined =>
    edges.supervised === undefined
      ? undefined
      : made.appliers?.own === undefined
        ? 'it is not started yet'
        : made.appliers.own.absence();
  const { dataFolder, tsuruToken: token, gateway: credentials } = config;
  const access = await createAccess({ dataFolder, token, credentials, secrets });
  const edges: Edges = createEdges({ config, access, secrets, given, log, clock, signal, absence });
  const { report } = edges;
  const check: Appliers['configuration']['check'] = async (candidate, whole) =>
    made.appliers?.configuration.check(candidate, whole);
  const startState = await begin(edges, (candidate) => check(candidate, signal), signal);

  const facts = createFacts(startState.facts);
  const desired: Rounds['desired'] = () => rounds.desired();
  const onLine: Sources['onLine'] = (line) => {
    sources.onLine(line);
  };
  const appliers = await createAppliers({ edges, startState, facts, desired, onLine });
  made.appliers = appliers;
  const { publisher, configuration, sync, own } = appliers;
  const desire = createDesire(fixedOf(edges, startState, appliers));
  const rounds = createRounds({ ...appliers, desire, planned: startState.planned, report, nowMs: clock.nowMs });
  facts.follow(rounds.round);
  const refusal = desired().capacity?.budget.refusal;
  if (refusal !== undefined) throw new Error(refusal);
  const sources = createSources({ edges, startState, facts, desired, appliers });
  await configuration.prepare(signal);
  const { known } = await restoreTargets(edges, facts, appliers);

  const source = createTsuruSource({ ...startState, facts, publisher, report, nowMs: clock.nowMs });
  const poller = createPoller({
    tsuru: edges.tsuru,
    clock,
    random: clock.random,
    intervalMs: config.pollIntervalMs,
    ownApp: config.ownApp,
    restored: known ?? new Map(),
    sink: source.sink,
  });
  const isRestored = known !== undefined;
  const ports = await openPorts({
    edges,
    facts,
    sources,
    publisher,
    sync,
    poller,
    source,
    desired,
    isRestored,
    signal,
  });

  /** Its settings and its address come with the first poll: waited for, they need no restart a moment later. */
  async function runOwn(): Promise<void> {
    if (own === undefined) return;
    const limit = new AbortController();
    const patience = config.ownApp === undefined ? 0 : FIRST_LOOK_LIMIT_MS;
    await Promise.race([source.firstPoll, clock.sleep(patience, limit.signal), aborted(signal)]);
    limit.abort();
    // Without a configuration that was checked there is nothing to start.
    while (!signal.aborted && !existsSync(configuration.configFile)) {
      await prepareFolders(edges);
      await clock.sleep(CONFIGURATION_EVERY_MS, signal);
    }
    facts.flush();
    await Promise.all([own.run(signal), sources.capacity?.run(signal)]);
  }

  const stopped = Promise.all([
    poller.run(signal),
    sync.run(signal),
    configuration.run(signal),
    sources.run(signal),
    runOwn(),
    // Requests are refused from now on, while Prometheus closes its storage.
    aborted(signal).then(ports.closeGuarded),
  ]).then(async () => {
    await Promise.all([ports.close(), edges.tsuru.close(), edges.prometheus.close()]);
    startState.release();
    log.info('the agent has stopped');
  });
  return { url: ports.url, stopped };
}

/** The apps of the last run, which are scraped until Tsuru lists the units. */
async function restoreTargets(
  { stateFile, targetFile, clock, log, metrics }: Edges,
  facts: FactStore,
  { publisher }: Appliers,
): Promise<Restored> {
  const restored = await restore(stateFile, targetFile, clock.wallMs());
  for (const problem of restored.problems) log.warn(problem);
  const { known } = restored;
  metrics.restored(known !== undefined);
  if (known === undefined) return restored;
  facts.patch({ apps: known });
  facts.flush();
  await publisher.settled();
  const targets = count(publisher.current()?.groups.length ?? 0, 'target');
  log.info(`restored ${targets} of ${count(known.size, 'app')} from disk`);
  return restored;
}

/** What never changes of what is desired. */
function fixedOf(
  { supervised, environment }: Edges,
  { found }: StartState,
  { configuration }: Appliers,
): Parameters<typeof createDesire>[0] {
  if (supervised === undefined || found === undefined) return { environment, launch: undefined };
  const { listen, storageFolder, access } = supervised;
  const { configFile } = configuration;
  const { webConfigFile } = access;
  const launch = { configFile, storageFolder, listen, webConfigFile, environment, lockFlags: found.lockFlags };
  return { environment, launch };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
