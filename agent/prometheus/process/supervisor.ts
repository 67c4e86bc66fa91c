import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../shared/clock.ts';
import { startChild, type Child, type Ending } from './child.ts';
import type { LogLine } from '../api/logfmt.ts';
import { errorText } from '../../shared/text.ts';
import { damageIn, type Damage } from '../../storage/damage.ts';
import { describeEnding, type Crash, type CrashReport } from './exit-reason.ts';
import type { Salvage } from '../../storage/salvage.ts';
import { SET_ASIDE, setAsideWal } from '../../storage/set-aside.ts';
import type { Starts } from './start-attempts.ts';

/** Waits before it is started again, doubled from the first to the last. */
const FIRST_RESTART_MS = 1_000;
const LAST_RESTART_MS = 60_000;
/** After running ready for this long, the next crash counts as the first again. */
const WELL_AFTER_MS = 60_000;
/** Changes of its flags within this time are one restart. */
const JOIN_MS = 1_000;
/** And restarts for that come at most so often: each is a gap of a scrape or two. */
const BETWEEN_RESTARTS_MS = 30_000;
/** After this many crashes in a row other flags wait for the next start, too. */
const EAGER_CRASHES = 2;
/** How often it is asked whether it is ready. */
const READY_EVERY_MS = 250;
/** This many starts in a row killed before they were ready: its log does not fit into memory. */
const KILLED_STARTS = 3;
/** Lines about damage that are kept of a start: one names every damaged block. */
const KEPT_DAMAGES = 1_000;
/** Its own 15 s to flush what remote_write still has, and time to close its storage; Kubernetes gives 30 s in all. */
export const STOP_LIMIT_MS = 27_000;

/** What Prometheus is started with. */
export interface Launch {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export type SupervisorEvent =
  | { readonly kind: 'started'; readonly pid: number | undefined; readonly args: readonly string[] }
  | { readonly kind: 'ready'; readonly tookMs: number }
  | { readonly kind: 'restarting'; readonly why: string }
  | {
      readonly kind: 'crashed';
      readonly crash: Crash;
      readonly text: string;
      readonly lines: readonly LogLine[];
      readonly retryMs: number;
    }
  | { readonly kind: 'wal_lost'; readonly text: string }
  /** Damaged data are set aside. */
  | { readonly kind: 'damaged'; readonly text: string }
  | { readonly kind: 'stopped'; readonly text: string; readonly clean: boolean };

export interface SupervisorOptions {
  /** The program, with what is in front of it. */
  readonly command: readonly string[];
  readonly storageFolder: string;
  /** Whether what is set aside may stay: a disk has room, memory has not. */
  readonly keepsWal: boolean;
  readonly starts: Starts;
  readonly salvage: Salvage;
  /** Makes room on its volume while no Prometheus runs. Never rejects. */
  readonly prepare: () => Promise<void>;
  /** Why it cannot be started at present; undefined if it can. */
  readonly blocked: () => Promise<string | undefined>;
  /** Rejects while Prometheus is not ready. */
  readonly ready: () => Promise<void>;
  readonly clock: Clock;
  /** What no line of its log may show. */
  readonly secrets: () => readonly string[];
  readonly onLine: (line: LogLine) => void;
  readonly onEvent: (event: SupervisorEvent) => void;
}

/** Runs Prometheus, and starts it again when it ends or is to be started with other flags. */
export interface Supervisor {
  /** What it is to be started with from now on; a running one is restarted if that is not what it was started with. */
  readonly want: (launch: Launch) => void;
  /** Restarts a running one at once, so that it is prepared again. */
  readonly restart: (why: string) => void;
  /** Runs it until the signal aborts, and then stops it. Never rejects. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Why there is no process of it at present; undefined while there is one. */
  readonly absence: () => string | undefined;
}

/** Why a running one is restarted. */
interface Restart {
  readonly why: string;
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { command, storageFolder, keepsWal, starts, salvage, prepare, blocked, ready, clock, onLine, onEvent } =
    options;
  let wanted: Launch | undefined;
  let changed = Promise.withResolvers<'changed'>();
  let unfit = Promise.withResolvers<Restart>();
  let crashes = 0;
  let restartedAtMs = -Infinity;
  let absence: string | undefined = 'it is not started yet';

  /** Asks whether it is ready until it is, or the signal aborts. Returns when that was. */
  async function untilReady(
    child: Child,
    damages: readonly Damage[],
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const startedAtMs = clock.nowMs();
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      const isReady = await ready().then(
        () => true,
        () => false,
      );
      if (isReady && !isOver()) {
        await starts.cleared(child.pid);
        onEvent({ kind: 'ready', tookMs: clock.nowMs() - startedAtMs });
        tell(await salvage.whenReady(damages));
        return clock.nowMs();
      }
      await clock.sleep(READY_EVERY_MS, signal);
    }
    return undefined;
  }

  /** One life of a process: until it ends, is to be another, or the signal aborts. */
  async function live(launch: Launch, signal: AbortSignal): Promise<void> {
    const killed = await starts.begin(signal);
    if (signal.aborted) return;
    if (killed >= KILLED_STARTS) await loseWal(killed);
    unfit = Promise.withResolvers();
    await prepare();
    await salvage.beforeStart();
    const obstacle = await blocked();
    if (obstacle !== undefined) {
      await crash({ kind: 'exit', text: obstacle }, [], undefined, signal);
      return;
    }
    const damages: Damage[] = [];
    const child = startChild({
      command: [...command, ...launch.args],
      environment: launch.environment,
      secrets: options.secrets,
      onLine(line) {
        if (damages.length < KEPT_DAMAGES) damages.push(...damageIn(line));
        onLine(line);
      },
    });
    absence = undefined;
    if (child.pid !== undefined) {
      await starts.started(child.pid, killed >= KILLED_STARTS ? 0 : killed);
      onEvent({ kind: 'started', pid: child.pid, args: launch.args });
    }
    const life = new AbortController();
    const readiness = untilReady(child, damages, AbortSignal.any([signal, life.signal]));
    const outcome = await untilOver(child, launch, signal);
    life.abort();
    if (outcome === 'aborted' || 'why' in outcome) {
      absence = outcome === 'aborted' ? 'it stops' : `it is restarted, as ${outcome.why}`;
      await stop(child, outcome === 'aborted' ? undefined : outcome.why);
      await readiness;
      return;
    }
    absence = 'it has ended';
    if (outcome.signal !== 'SIGKILL') await starts.cleared(undefined);
    const readyAtMs = await readiness;
    const losses = readyAtMs === undefined ? await salvage.afterCrash(damages) : [];
    const mended = losses.length === 0 ? undefined : `what is damaged is moved to ${join(storageFolder, SET_ASIDE)}`;
    const report = describeEnding(outcome, mended);
    tell(losses);
    await crash(report, outcome.lines, readyAtMs, signal);
  }

  function tell(losses: readonly string[]): void {
    for (const text of losses) onEvent({ kind: 'damaged', text });
  }

  /** How this life ends. Flags that are changed and changed back are no change. */
  async function untilOver(child: Child, launch: Launch, signal: AbortSignal): Promise<Ending | Restart | 'aborted'> {
    const aborted = onAbort(signal);
    const over = Promise.race([child.ended, aborted.promise, unfit.promise]);
    try {
      for (;;) {
        const outcome = await Promise.race([over, changed.promise]);
        if (outcome !== 'changed') return outcome;
        const waitMs = Math.max(JOIN_MS, restartedAtMs + BETWEEN_RESTARTS_MS - clock.nowMs());
        const joined = await Promise.race([over, clock.sleep(waitMs, signal).then(() => 'joined' as const)]);
        if (joined !== 'joined') return joined;
        if (!isDeepStrictEqual(wanted, launch)) return signal.aborted ? 'aborted' : { why: changedIn(launch, wanted) };
        changed = Promise.withResolvers();
      }
    } finally {
      aborted.dispose();
    }
  }

  async function stop(child: Child, why: string | undefined): Promise<void> {
    if (why !== undefined) {
      restartedAtMs = clock.nowMs();
      onEvent({ kind: 'restarting', why });
    }
    const ending = await child.stop(STOP_LIMIT_MS);
    await starts.cleared(undefined);
    const clean = ending.signal === null && ending.code === 0;
    const text =
      ending.signal === 'SIGKILL'
        ? `Prometheus did not stop within ${STOP_LIMIT_MS / 1000} s and was killed`
        : describeEnding(ending).text;
    onEvent({ kind: 'stopped', clean, text: clean ? 'Prometheus has stopped' : text });
  }

  async function crash(
    { kind, text }: CrashReport,
    lines: readonly LogLine[],
    readyAtMs: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const wasWell = readyAtMs !== undefined && clock.nowMs() - readyAtMs >= WELL_AFTER_MS;
    crashes = wasWell ? 1 : crashes + 1;
    const retryMs = Math.min(LAST_RESTART_MS, FIRST_RESTART_MS * 2 ** (crashes - 1));
    absence = text;
    onEvent({ kind: 'crashed', crash: kind, text, lines, retryMs });
    const wait = new AbortController();
    // Other flags may be the remedy, so they are tried at once; but not again and again.
    if (crashes <= EAGER_CRASHES)
      void changed.promise.then(() => {
        wait.abort();
      });
    await clock.sleep(retryMs, AbortSignal.any([signal, wait.signal]));
  }

  async function loseWal(killed: number): Promise<void> {
    const what = keepsWal ? `is moved to ${join(storageFolder, SET_ASIDE)}` : 'is removed';
    const why = `Prometheus, or its agent with it, was killed ${killed} times before it was ready`;
    try {
      if (!(await setAsideWal(storageFolder, keepsWal, clock.wallMs()))) return;
      onEvent({
        kind: 'wal_lost',
        text: `${why}: its write-ahead log, which does not seem to fit into memory, ${what}. The samples since its last block are lost; choose a larger plan, or scrape fewer series.`,
      });
    } catch (error) {
      onEvent({
        kind: 'wal_lost',
        text: `${why}, and its write-ahead log cannot be taken away whole: ${errorText(error)}`,
      });
    }
  }

  return {
    want(launch) {
      if (isDeepStrictEqual(launch, wanted)) return;
      const isFirst = wanted === undefined;
      wanted = launch;
      if (!isFirst) changed.resolve('changed');
    },
    restart(why) {
      unfit.resolve({ why });
    },
    async run(signal) {
      const isStopped = (): boolean => signal.aborted;
      while (!isStopped() && wanted !== undefined) {
        changed = Promise.withResolvers();
        await live(wanted, signal);
      }
    },
    absence: () => absence,
  };
}

/** Names the flags and variables in which two launches differ; their values may be secrets. */
export function changedIn(before: Launch, after: Launch | undefined): string {
  const flags = [before.args, after?.args ?? []]
    .flatMap((args, i, both) => args.filter((arg) => both[1 - i]?.includes(arg) !== true))
    .map((arg) => arg.replace(/=.*/s, ''));
  const variables = Object.keys({ ...before.environment, ...after?.environment }).filter(
    (name) => before.environment[name] !== after?.environment[name],
  );
  return `its flags changed (${[...new Set([...flags, ...variables])].join(', ')})`;
}

function onAbort(signal: AbortSignal): { readonly promise: Promise<'aborted'>; dispose(): void } {
  const { promise, resolve } = Promise.withResolvers<'aborted'>();
  const listener = (): void => {
    resolve('aborted');
  };
  if (signal.aborted) listener();
  signal.addEventListener('abort', listener, { once: true });
  return {
    promise,
    dispose() {
      signal.removeEventListener('abort', listener);
    },
  };
}
