import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import { startChild, type Child, type Ending, type LogLine } from './child.ts';
import { describeEnding, type Crash } from './ending.ts';
import { setAsideWal, type Starts } from './starts.ts';

/** Waits before it is started again, doubled from the first to the last. */
const FIRST_RESTART_MS = 1_000;
const LAST_RESTART_MS = 60_000;
/** One that ran ready for so long was well: the next crash is the first again. */
const WELL_AFTER_MS = 60_000;
/** Changes of its flags within this time are one restart. */
const JOIN_MS = 1_000;
/** How often it is asked whether it is ready. */
const READY_EVERY_MS = 250;
/** So many starts in a row killed before they were ready: its log does not fit into memory. */
const KILLED_STARTS = 3;
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
  | { readonly kind: 'stopped'; readonly text: string; readonly clean: boolean };

export interface SupervisorOptions {
  /** The program, with what is in front of it. */
  readonly command: readonly string[];
  readonly storageFolder: string;
  /** Whether what is set aside may stay: a disk has room, memory has not. */
  readonly keepsWal: boolean;
  readonly starts: Starts;
  /** Rejects while Prometheus is not ready. */
  readonly ready: () => Promise<void>;
  readonly clock: Clock;
  readonly onLine: (line: LogLine) => void;
  readonly onEvent: (event: SupervisorEvent) => void;
}

/** Runs Prometheus, and starts it again when it ends or is to be started with other flags. */
export interface Supervisor {
  /** What it is to be started with from now on; a running one is restarted if that is not what it was started with. */
  readonly want: (launch: Launch) => void;
  /** Runs it until the signal aborts, and then stops it. Never rejects. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { command, storageFolder, keepsWal, starts, ready, clock, onLine, onEvent } = options;
  let wanted: Launch | undefined;
  let changed = Promise.withResolvers<'changed'>();
  let crashes = 0;

  /** Asks whether it is ready until it is, or the signal aborts. */
  async function untilReady(child: Child, signal: AbortSignal): Promise<void> {
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
        return;
      }
      await clock.sleep(READY_EVERY_MS, signal);
    }
  }

  /** One life of a process: until it ends, is to be another, or the signal aborts. */
  async function live(launch: Launch, signal: AbortSignal): Promise<void> {
    const killed = await starts.begin();
    if (killed >= KILLED_STARTS) await loseWal(killed);
    const child = startChild({ command: [...command, ...launch.args], environment: launch.environment, onLine });
    if (child.pid !== undefined) await starts.started(child.pid, killed >= KILLED_STARTS ? 0 : killed);
    onEvent({ kind: 'started', pid: child.pid, args: launch.args });
    const life = new AbortController();
    const startedAtMs = clock.nowMs();
    const readiness = untilReady(child, AbortSignal.any([signal, life.signal]));
    const aborted = onAbort(signal);
    const outcome = await Promise.race([child.ended, changed.promise, aborted.promise]);
    aborted.dispose();
    if (outcome === 'changed') await clock.sleep(JOIN_MS, signal);
    life.abort();
    await readiness;
    if (typeof outcome === 'string') await stop(child, outcome);
    else await crash(outcome, clock.nowMs() - startedAtMs, signal);
  }

  async function stop(child: Child, why: 'changed' | 'aborted'): Promise<void> {
    if (why === 'changed') onEvent({ kind: 'restarting', why: 'its flags changed' });
    const ending = await child.stop(STOP_LIMIT_MS);
    await starts.cleared(undefined);
    const clean = ending.signal === null && ending.code === 0;
    onEvent({ kind: 'stopped', clean, text: clean ? 'Prometheus has stopped' : describeEnding(ending).text });
  }

  async function crash(ending: Ending, livedMs: number, signal: AbortSignal): Promise<void> {
    if (ending.signal !== 'SIGKILL') await starts.cleared(undefined);
    crashes = livedMs >= WELL_AFTER_MS ? 1 : crashes + 1;
    const retryMs = Math.min(LAST_RESTART_MS, FIRST_RESTART_MS * 2 ** (crashes - 1));
    const { kind: crash, text } = describeEnding(ending);
    onEvent({ kind: 'crashed', crash, text, lines: ending.lines, retryMs });
    const wait = new AbortController();
    // Other flags may be the remedy, so they are tried at once.
    void changed.promise.then(() => {
      wait.abort();
    });
    await clock.sleep(retryMs, AbortSignal.any([signal, wait.signal]));
  }

  async function loseWal(killed: number): Promise<void> {
    const what = keepsWal ? 'is set aside as wal-set-aside beside it' : 'is removed';
    try {
      await setAsideWal(storageFolder, keepsWal);
      onEvent({
        kind: 'wal_lost',
        text: `Prometheus was killed ${killed} times before it was ready: its write-ahead log does not fit into memory and ${what}. The samples since its last block are lost; choose a larger plan, or scrape fewer series.`,
      });
    } catch {
      // There was none, or it cannot be moved: the start will tell.
    }
  }

  return {
    want(launch) {
      if (isDeepStrictEqual(launch, wanted)) return;
      const isFirst = wanted === undefined;
      wanted = launch;
      if (!isFirst) changed.resolve('changed');
    },
    async run(signal) {
      const isStopped = (): boolean => signal.aborted;
      while (!isStopped() && wanted !== undefined) {
        changed = Promise.withResolvers();
        await live(wanted, signal);
      }
    },
  };
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
