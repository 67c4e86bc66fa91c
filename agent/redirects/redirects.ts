import pMap from 'p-map';
import type { Clock } from '../shared/clock.ts';
import type { Discovery } from '../discovery/discover.ts';
import type { PrometheusClient } from '../prometheus/api/client.ts';
import type { Log } from '../shared/log.ts';
import { errorText, shortLine } from '../shared/text.ts';
import { processStates, type ProcessState } from './process-state.ts';
import type { LearnedPath, LearnedPaths } from './learned-paths.ts';
import type { LearnedPathsFile } from './file.ts';
import { placeText, type Destination } from './place.ts';
import type { Probe } from './probe.ts';

/** How often it is looked whether a target is down: a part of the scrape interval within these bounds. */
const LOOKS_AN_INTERVAL = 4;
const SHORTEST_LOOK_MS = 1_000;
const LONGEST_LOOK_MS = 5_000;
/** What Prometheus spends on an answer about its targets, and the agent on reading it, grows with each: 7 MB at 10,000. */
const MS_BETWEEN_PER_TARGET = 15;
/** A process is followed so often in a row: /metrics to /metrics/ is once. */
const MOST_HOPS = 3;
/** A process that redirected elsewhere is asked again after this long, or once its version changes. */
const ASK_AGAIN_MS = 10 * 60_000;
/** One whose path was wrong is asked again sooner, as an app that starts may answer 404; doubled each time, up to the same. */
const FIRST_ASK_AGAIN_MS = 60_000;
/** Targets asked at once, each for 5 s at most; and processes a look, so that a look ends. */
const ASKED_AT_ONCE = 8;
const MOST_ASKED = 64;
const LONGEST_ERROR = 200;

/** Why a process' redirect is not followed at present. */
interface Refusal {
  readonly from: string;
  readonly version: string;
  readonly text: string;
  readonly untilMs: number;
  /** How often in a row. */
  readonly times: number;
}

export interface RedirectsOptions {
  readonly file: LearnedPathsFile;
  readonly client: Pick<PrometheusClient, 'query' | 'targets'>;
  readonly probe: Probe;
  readonly clock: Clock;
  readonly scrapeIntervalMs: () => number;
  readonly log: Log;
  /** The targets at present, before learned paths; undefined while none are known. */
  readonly discovered: () => Discovery | undefined;
  /** The paths that are in force. */
  readonly learned: () => LearnedPaths;
  /** Takes other paths. */
  readonly onLearnt: (learned: LearnedPaths) => void;
}

/**
 * Follows redirects of metrics paths in place of Prometheus, which could only follow all of them to anywhere: a target that fails with one
 * is asked once by the agent, and where it stays at the same address, that path becomes the path of its process.
 */
export interface Redirects {
  /** Redirects of an app's processes that are not followed, in sentences. */
  readonly problemsOf: (app: string) => readonly string[];
  run(signal: AbortSignal): Promise<void>;
}

export function createRedirects(options: RedirectsOptions): Redirects {
  const { file, client, probe, clock, log, onLearnt } = options;
  let refusals: ReadonlyMap<string, Refusal & Pick<ProcessState, 'app' | 'process'>> = new Map();

  function refuse(
    { app, process, from, version, key }: ProcessState,
    text: string,
    firstMs: number = ASK_AGAIN_MS,
  ): void {
    const before = refusals.get(key);
    const isNew = before?.text !== text;
    const times = before?.version === version ? before.times + 1 : 1;
    const untilMs = clock.nowMs() + Math.min(ASK_AGAIN_MS, firstMs * 2 ** (times - 1));
    refusals = new Map(refusals).set(key, { app, process, from, version, text, untilMs, times });
    if (isNew) log.warn({ app }, `${app}: ${text}`);
  }

  function isRefused({ key, from, version }: ProcessState): boolean {
    const refusal = refusals.get(key);
    return refusal?.from === from && refusal.version === version && clock.nowMs() < refusal.untilMs;
  }

  /** What comes of the answer to the agent's own request. */
  function follow(state: ProcessState, asked: string, destination: Destination): LearnedPath | undefined {
    const { app, process, from, key } = state;
    const before = options.learned().get(key);
    const way = [...(before?.from === from ? before.asked : []), asked];
    if (destination.kind === 'refused') {
      refuse(state, notFollowed(state, asked, destination.why));
      return undefined;
    }
    const to = placeText(destination.place);
    if (way.includes(to) || way.length > MOST_HOPS) {
      const why = way.includes(to) ? `${to} leads back to it` : `it redirects more than ${MOST_HOPS} times`;
      refuse(state, notFollowed(state, asked, why));
      return undefined;
    }
    log.info({ app }, `${app}: the process ${process} redirects ${asked} to ${to}, which is scraped instead`);
    return { app, process, from, to: destination.place, asked: way };
  }

  async function look(signal: AbortSignal): Promise<number> {
    const discovery = options.discovered();
    const learned = options.learned();
    if (discovery === undefined || discovery.groups.length === 0) return 0;
    const [down] = await client.query('count(up == 0)');
    if (down === undefined) {
      refusals = new Map();
      return 0;
    }
    const states = processStates(discovery, learned, await client.targets());
    const apps = new Set(discovery.apps.map(({ known }) => known.app.name));
    const byKey = new Map(states.map((state) => [state.key, state]));
    const next = new Map(
      [...learned].filter(([key, { app, from }]) => apps.has(app) && (byKey.get(key)?.from ?? from) === from),
    );
    refusals = new Map(
      [...refusals].filter(([key, { from }]) => {
        const state = byKey.get(key);
        return state?.from === from && state.outcome.kind !== 'up';
      }),
    );
    for (const state of states) {
      const { key, outcome } = state;
      const path = next.get(key);
      if (outcome.kind !== 'wrong' || path === undefined) continue;
      const why = `${placeText(path.to)} fails: ${shortLine(outcome.error, LONGEST_ERROR)}`;
      refuse(state, notFollowed(state, path.asked.at(-1) ?? '', why), FIRST_ASK_AGAIN_MS);
      next.delete(key);
    }
    const toAsk = states
      .filter((state) => state.outcome.kind === 'redirects' && !isRefused(state))
      .slice(0, MOST_ASKED);
    await pMap(
      toAsk,
      async (state) => {
        if (state.outcome.kind !== 'redirects') return;
        const { url, place } = state.outcome;
        const path = follow(state, place, await probe(url, signal));
        if (path === undefined) next.delete(state.key);
        else next.set(state.key, path);
      },
      { concurrency: ASKED_AT_ONCE },
    );
    await keep(next, signal);
    return discovery.groups.length * MS_BETWEEN_PER_TARGET;
  }

  async function keep(next: ReadonlyMap<string, LearnedPath>, signal: AbortSignal): Promise<void> {
    const learned = options.learned();
    const isSame = next.size === learned.size && [...next].every(([key, path]) => learned.get(key) === path);
    if (isSame || signal.aborted) return;
    onLearnt(next);
    await file.save([...next.values()]).catch((error: unknown) => {
      log.warn(`the learned paths cannot be saved, so a restart learns them again: ${errorText(error)}`);
    });
  }

  return {
    problemsOf: (app) => [...refusals.values()].filter((refusal) => refusal.app === app).map(({ text }) => text),
    async run(signal) {
      const isStopped = (): boolean => signal.aborted;
      while (!isStopped()) {
        // Whether Prometheus answers is reported elsewhere.
        const leastMs = await look(signal).catch(() => 0);
        const everyMs = options.scrapeIntervalMs() / LOOKS_AN_INTERVAL;
        await clock.sleep(Math.max(Math.min(everyMs, LONGEST_LOOK_MS), SHORTEST_LOOK_MS, leastMs), signal);
      }
    },
  };
}

function notFollowed({ app, process }: ProcessState, asked: string, why: string): string {
  return (
    `the process ${process} redirects ${asked}, which is not followed: ${why}; set the path of its metrics with: ` +
    `tsuru metadata set -a ${app} -p ${process} -t annotation prometheus.io/path=/PATH --no-restart`
  );
}
