import type { AppDetails, KnownApps } from '../discovery/known-apps.ts';
import { parseJson } from '../shared/shape.ts';
import { errorText } from '../shared/text.ts';
import type { TsuruClient } from '../shared/tsuru.ts';
import { readAppDetails } from './answers.ts';
import { appPath, CALLS, DETAILS_AT_A_TIME } from './calls.ts';
import type { DetailsAgain } from './pokes.ts';
import { askAgain, asked, failed, lookAt, remembered, told } from './details-schedule.ts';

export interface DetailsFailure {
  readonly name: string;
  readonly reason: string;
}

/** Keeps the details of each app (`GET /1.0/apps/A`) fresh, a few at a time and beside the polls: a slow answer delays nothing else. */
export interface Details {
  /** Has what is due asked for, apps of which nothing was reported first. Resolves when nothing is left to be asked for. */
  refresh(known: KnownApps, signal: AbortSignal): Promise<void>;
  /** The details of these apps count as never fetched. */
  askAgain(of: DetailsAgain): void;
}

export interface DetailsOptions {
  readonly tsuru: TsuruClient;
  readonly nowMs: () => number;
  readonly random: () => number;
  /** What is known; at the start what an earlier agent knew. */
  readonly current: () => KnownApps;
  /** Takes each answer as it comes. */
  readonly onTold: (name: string, details: AppDetails) => void;
  /** Takes all that could not be had when last asked for, each time that nothing is left to be asked for. */
  readonly onEnd: (failures: readonly DetailsFailure[]) => Promise<void>;
}

export function createDetails({ tsuru, nowMs, random, current, onTold, onEnd }: DetailsOptions): Details {
  const states = new Map([...current()].map(([name, app]) => [name, remembered(app)]));
  /** Why the details of apps could not be had when they were last asked for. */
  const failing = new Map<string, string>();
  let queue: readonly string[] = [];
  const underWay = new Set<string>();
  let idle: PromiseWithResolvers<void> | undefined;

  /** Looks at every app, and puts those that are due into the queue. Returns whether an app with a failure is gone. */
  function look(known: KnownApps): boolean {
    const failures = failing.size;
    for (const name of states.keys()) if (!known.has(name)) states.delete(name);
    for (const name of failing.keys()) if (!known.has(name)) failing.delete(name);
    const queued = new Set(queue.filter((name) => known.has(name)));
    const urgent: string[] = [];
    for (const [name, app] of known) {
      const { due, hasChanged, state } = lookAt(app, states.get(name), nowMs());
      // While a cluster cannot tell the units, asking for more only adds to its problem.
      const canAsk = app.unknown === undefined && !underWay.has(name);
      const changedMeanwhile = hasChanged || state.changedMeanwhile === true;
      states.set(name, due && !canAsk ? { ...state, onceMoreAtMs: nowMs(), changedMeanwhile } : state);
      if (!due || !canAsk) continue;
      if (app.details === undefined) urgent.push(name);
      else queued.add(name);
    }
    queue = [...new Set([...urgent, ...queued])];
    return failing.size < failures;
  }

  /** Asks for what is in the queue, as many at a time as may be. */
  function pump(signal: AbortSignal): void {
    while (underWay.size < DETAILS_AT_A_TIME) {
      const [name, ...rest] = queue;
      if (name === undefined) break;
      queue = rest;
      underWay.add(name);
      void ask(name, signal).then(async () => {
        underWay.delete(name);
        if (signal.aborted) queue = [];
        if (queue.length > 0 || underWay.size > 0) pump(signal);
        else await end(signal);
      });
    }
  }

  async function end(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await onEnd([...failing].map(([name, reason]) => ({ name, reason })));
    idle?.resolve();
    idle = undefined;
  }

  /** Never rejects: what goes wrong is the app's failure. */
  async function ask(name: string, signal: AbortSignal): Promise<void> {
    const app = current().get(name);
    const state = states.get(name);
    // Unbound while it waited in the queue.
    if (app === undefined || state === undefined) return;
    states.set(name, asked(app, state));
    try {
      const { chunks } = await tsuru.get(CALLS.app, appPath(name), signal);
      onTold(name, readAppDetails(parseJson(chunks), name));
      failing.delete(name);
      settle(name, true);
    } catch (error) {
      // An app that was unbound meanwhile is forbidden, which is no problem.
      if (signal.aborted || !current().has(name)) return;
      failing.set(name, errorText(error));
      settle(name, false);
    }
  }

  function settle(name: string, isTold: boolean): void {
    const app = current().get(name);
    const state = states.get(name);
    if (app === undefined || state === undefined) return;
    states.set(name, isTold ? told(app, state, nowMs(), random()) : failed(state, nowMs()));
  }

  return {
    async refresh(known, signal) {
      const isMended = look(known);
      if (queue.length === 0 && underWay.size === 0) {
        if (isMended) await end(signal);
        return;
      }
      idle ??= Promise.withResolvers();
      const { promise } = idle;
      pump(signal);
      await promise;
    },
    askAgain(of) {
      for (const [name, state] of states) if (of === 'all' || of.has(name)) states.set(name, askAgain(state));
    },
  };
}
