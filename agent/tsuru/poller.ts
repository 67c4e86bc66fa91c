import type { Clock } from '../shared/clock.ts';
import type { KnownApps } from '../discovery/known-apps.ts';
import { parseJson, ShapeError } from '../shared/shape.ts';
import { TSURU_FAILURES, TsuruError, type TsuruClient } from '../shared/tsuru.ts';
import { errorText } from '../shared/text.ts';
import { readAppList, type AppList, type ListedApp } from './answers.ts';
import { CALLS } from './calls.ts';
import { confirmMissing, type MissingState } from './missing-apps.ts';
import { createDetails, type DetailsFailure } from './details.ts';
import { isStarting, lacksPorts, STARTING_LIMIT_MS } from './details-schedule.ts';
import { identify, makeFormer } from './identity.ts';
import { forget, learnDetails, learnList, markMissing, present } from './knowledge.ts';
import { releaseReused } from './reused-addresses.ts';
import { nextWaitMs } from './poll-interval.ts';
import type { DetailsAgain } from './pokes.ts';

/** How long a write waits for details that are asked for: a new app's ports are there by then, and come with its units. */
const DETAILS_HEAD_START_MS = 300;
/** How long a poll waits for details before it counts as done; slower ones are written when they come. */
const DETAILS_WAIT_MS = 5_000;
/** How often details that come one after another are written in between. */
const DETAILS_WRITE_EVERY_MS = 2_000;
/**
 * How long polls are quick because Tsuru does not know the address of this instance: it does once the rollout has ended, which has 600 s.
 * An instance without a router never has one.
 */
const ADDRESS_LIMIT_MS = 10 * 60_000;

/** How a poll ended. */
export type PollOutcome =
  | { readonly kind: 'answered'; readonly problems: readonly string[] }
  | { readonly kind: 'failed'; readonly failure: PollFailure; readonly reason: string; readonly requestId?: string };

/** Why a poll failed, as metrics name it; internal is a fault of this program. */
export const POLL_FAILURES = [...TSURU_FAILURES, 'internal'] as const;
export type PollFailure = (typeof POLL_FAILURES)[number];

/** Where its events go. */
export type PollEvent =
  | { readonly kind: 'poll'; readonly outcome: PollOutcome; readonly durationMs: number }
  | { readonly kind: 'details'; readonly failures: readonly DetailsFailure[] }
  /** When the next poll is, in milliseconds from now. */
  | { readonly kind: 'wait'; readonly waitMs: number };

/** What takes part in a poll besides Tsuru. */
export interface PollSink {
  /** Takes what is known now. Resolves when it is on disk, or could not be written. */
  publish(known: KnownApps, seenAtMs: number): Promise<void>;
  /** The apps that are no longer scraped, and why. Told before the publish without them. */
  explain(gone: ReadonlyMap<string, string>): void;
  /** Takes what each list says of the instance's own app; undefined when it is not in it. */
  ownApp(own: ListedApp | undefined): void;
  report(event: PollEvent): void;
  /** When targets last changed, on the clock that only goes forward; undefined if never. */
  changedAtMs(): number | undefined;
  /** Whether what was published still waits to be written. */
  writePending(): boolean;
}

export interface PollerOptions {
  readonly tsuru: TsuruClient;
  readonly clock: Clock;
  readonly random: () => number;
  readonly intervalMs: number;
  /** The instance's own app: it is in the list, with its settings, but nothing to be scraped. */
  readonly ownApp: string | undefined;
  /** What was known before the first poll. */
  readonly restored: KnownApps;
  readonly sink: PollSink;
}

export interface Poller {
  /** Polls until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Polls as soon as the current poll has ended, requests these details again, and resolves with how it ended. */
  pollNow(again: DetailsAgain): Promise<PollOutcome>;
}

/** Follows Tsuru: a poll is one list of all apps, then what is to be found out about missing apps and changed ones. */
export function createPoller(options: PollerOptions): Poller {
  const { tsuru, clock, random, intervalMs, ownApp, sink } = options;
  let known = forget(options.restored, ownApp === undefined ? [] : [ownApp]);
  let hasList = false;
  let own: ListedApp | undefined;
  /** Former apps whose names were in the last list, or may have been: once they vanish from it, their grant may be gone. */
  let listedFormer = formerIn(known);
  let failures = 0;
  let wakeUp: AbortController | undefined;
  let waiting: { readonly again: DetailsAgain; readonly answer: (outcome: PollOutcome) => void }[] = [];
  const missingStates = new Map<string, MissingState>();
  const startingSince = new Map<string, number>();
  let publishedAtMs = -Infinity;
  const startedAtMs = clock.nowMs();

  const details = createDetails({
    tsuru,
    nowMs: clock.nowMs,
    random,
    current: () => present(known),
    onTold(name, told) {
      known = learnDetails(known, name, told);
      if (clock.nowMs() - publishedAtMs >= DETAILS_WRITE_EVERY_MS) void publish(clock.nowMs());
    },
    async onEnd(failed) {
      sink.report({ kind: 'details', failures: failed });
      await publish(clock.nowMs());
    },
  });

  async function publish(seenAtMs: number): Promise<void> {
    publishedAtMs = clock.nowMs();
    await sink.publish(known, seenAtMs);
  }

  async function poll(signal: AbortSignal): Promise<PollOutcome> {
    const list = await getList(signal);
    const seenAtMs = clock.nowMs();
    const { strangers, accepted, problems } = identify(known, list.apps, own);
    if (strangers.size > 0) sink.explain(strangers);
    known = makeFormer(forget(known, accepted), strangers.keys());
    const released = releaseReused(learnList(known, list, clock.wallMs()), withOwn(list.apps, own));
    known = released.known;
    const former = formerIn(known);
    const missing = [...known.keys()].filter(
      (name) => !list.apps.has(name) && (!former.has(name) || listedFormer.has(name)),
    );
    // Apps of the list do not wait for what is found out about the missing ones.
    if (missing.length > 0) await publish(seenAtMs);
    const unsure = await dropGone(missing, signal);
    listedFormer = new Set([...former].filter((name) => list.apps.has(name) || unsure.has(name)));
    noteStarting();
    const asked = details.refresh(present(known), signal);
    await atMost(DETAILS_HEAD_START_MS, asked);
    await publish(seenAtMs);
    await atMost(DETAILS_WAIT_MS, asked);
    return { kind: 'answered', problems: [...list.problems, ...problems, ...released.problems] };
  }

  async function atMost(limitMs: number, work: Promise<void>): Promise<void> {
    const limit = new AbortController();
    await Promise.race([work, clock.sleep(limitMs, limit.signal)]);
    limit.abort();
  }

  async function getList(signal: AbortSignal): Promise<AppList> {
    const { status, chunks } = await tsuru.get(CALLS.apps, '/1.0/apps?extended=true', signal);
    const { apps, problems } = readAppList(status === 204 ? [] : parseJson(chunks));
    hasList = true;
    if (ownApp === undefined) return { apps, problems };
    own = apps.get(ownApp);
    // Settings that were refused are tried again though nothing changed.
    sink.ownApp(own);
    return { apps: new Map([...apps].filter(([name]) => name !== ownApp)), problems };
  }

  /** Returns the missing apps about which nothing could be found out. */
  async function dropGone(missing: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const verdicts = await confirmMissing(missing, missingStates, tsuru, clock.nowMs, signal);
    const former = formerIn(known);
    const gone = new Map<string, string>();
    const kept = new Map<string, string>();
    const removed: string[] = [];
    for (const [name, verdict] of verdicts) {
      if (verdict.kind === 'kept') kept.set(name, verdict.reason);
      else if (!former.has(name)) gone.set(name, verdict.why);
      if (verdict.kind === 'unbound') known = forget(known, [name]);
      else if (verdict.kind === 'removed') removed.push(name);
    }
    known = markMissing(known, kept, clock.wallMs());
    if (gone.size > 0) sink.explain(gone);
    known = makeFormer(known, removed);
    return new Set(kept.keys());
  }

  function noteStarting(): void {
    for (const [name, app] of known) {
      if (!isStarting(app) && !lacksPorts(app)) startingSince.delete(name);
      else if (!startingSince.has(name)) startingSince.set(name, clock.nowMs());
    }
    for (const name of startingSince.keys()) if (!known.has(name)) startingSince.delete(name);
  }

  function waitMs(): number {
    const nowMs = clock.nowMs();
    const starting = [...startingSince.values()].some((sinceMs) => nowMs - sinceMs < STARTING_LIMIT_MS);
    const addressless = ownApp !== undefined && !own?.address && nowMs - startedAtMs < ADDRESS_LIMIT_MS;
    const hurry = starting || addressless || sink.writePending();
    return nextWaitMs(
      { intervalMs, failures, hurry, sinceChangeMs: nowMs - (sink.changedAtMs() ?? -Infinity) },
      random(),
    );
  }

  return {
    async run(signal) {
      const isStopped = (): boolean => signal.aborted;
      while (!isStopped()) {
        const answerTo = waiting;
        waiting = [];
        for (const { again } of answerTo) details.askAgain(again);
        const beganAtMs = clock.nowMs();
        const outcome = await poll(signal).catch(failedPoll);
        if (isStopped()) return;
        failures = outcome.kind === 'failed' ? failures + 1 : 0;
        // A removed file is written again even so; but what was never known is not written as none.
        if (outcome.kind === 'failed' && (known.size > 0 || hasList)) await publish(clock.nowMs());
        sink.report({ kind: 'poll', outcome, durationMs: clock.nowMs() - beganAtMs });
        for (const { answer } of answerTo) answer(outcome);
        if (waiting.length > 0) {
          sink.report({ kind: 'wait', waitMs: 0 });
          continue;
        }
        wakeUp = new AbortController();
        const pause = waitMs();
        sink.report({ kind: 'wait', waitMs: pause });
        await clock.sleep(pause, AbortSignal.any([signal, wakeUp.signal]));
        wakeUp = undefined;
      }
    },
    pollNow(again) {
      return new Promise((answer) => {
        waiting.push({ again, answer });
        wakeUp?.abort();
      });
    },
  };
}

/** A poll that failed changes nothing; whatever the reason, the next one is tried. */
function failedPoll(error: unknown): PollOutcome {
  if (error instanceof TsuruError) {
    return { kind: 'failed', failure: error.failure, reason: error.message, requestId: error.requestId };
  }
  if (error instanceof ShapeError) {
    return {
      kind: 'failed',
      failure: 'bad_answer',
      reason: `${CALLS.apps}: Tsuru's answer cannot be read: ${error.message}`,
    };
  }
  return { kind: 'failed', failure: 'internal', reason: `an error in the agent itself: ${errorText(error)}` };
}

/** The instance's own app has addresses, too. */
function withOwn(listed: ReadonlyMap<string, ListedApp>, own: ListedApp | undefined): ReadonlyMap<string, ListedApp> {
  return own === undefined ? listed : new Map([...listed, [own.app.name, own]]);
}

function formerIn(known: KnownApps): ReadonlySet<string> {
  return new Set([...known].flatMap(([name, { formerTeam }]) => (formerTeam === undefined ? [] : [name])));
}
