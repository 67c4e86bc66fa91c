import pMap from 'p-map';
import type { AppDetails, KnownApps } from '../apps.ts';
import { parseJson } from '../shared/shape.ts';
import { errorText } from '../shared/text.ts';
import type { TsuruClient } from '../shared/tsuru.ts';
import { readAppDetails } from './answers.ts';
import { appPath, CALLS, DETAILS_AT_A_TIME } from './calls.ts';
import { askAgain, failed, lookAt, remembered, told } from './due.ts';

export interface DetailsFailure {
  readonly name: string;
  readonly reason: string;
}

/** Keeps what `GET /1.0/apps/A` tells of each app fresh, a few at a time and beside the polls, which never wait for a slow one. */
export interface Details {
  /**
   * Starts to ask for what is due, unless the last round of asking is still under way. Resolves when nothing is being asked for.
   * `onTold` takes each answer as it comes; `onEnd` takes all that could not be had when last asked for, once all were asked.
   */
  refresh(known: KnownApps, signal: AbortSignal): Promise<void>;
  /** All details count as never told. */
  askForAllAgain(): void;
}

export interface DetailsOptions {
  readonly tsuru: TsuruClient;
  readonly nowMs: () => number;
  readonly random: () => number;
  /** What is known; at the start what an earlier agent knew. */
  readonly current: () => KnownApps;
  readonly onTold: (name: string, details: AppDetails) => void;
  readonly onEnd: (failures: readonly DetailsFailure[]) => Promise<void>;
}

export function createDetails({ tsuru, nowMs, random, current, onTold, onEnd }: DetailsOptions): Details {
  const states = new Map([...current()].map(([name, app]) => [name, remembered(app)]));
  /** Why the details of apps could not be had when they were last asked for. */
  const failing = new Map<string, string>();
  let asking: Promise<void> | undefined;

  /** Looks at every app, and returns the names of those to be asked for. */
  function look(known: KnownApps): string[] {
    for (const name of states.keys()) {
      if (known.has(name)) continue;
      states.delete(name);
      failing.delete(name);
    }
    const due: string[] = [];
    for (const [name, app] of known) {
      const { due: isDue, state } = lookAt(app, states.get(name), nowMs());
      // While a cluster cannot tell the units, asking for more only adds to its trouble.
      const canAsk = asking === undefined && app.unknown === undefined;
      if (isDue && canAsk) due.push(name);
      states.set(name, isDue && !canAsk ? { ...state, onceMoreAtMs: nowMs() } : state);
    }
    return due;
  }

  async function ask(names: readonly string[], signal: AbortSignal): Promise<void> {
    await pMap(
      names,
      async (name) => {
        try {
          const { chunks } = await tsuru.get(CALLS.app, appPath(name), signal);
          const details = readAppDetails(parseJson(chunks), name);
          onTold(name, details);
          failing.delete(name);
          settle(name, true);
        } catch (error) {
          if (signal.aborted) return;
          failing.set(name, errorText(error));
          settle(name, false);
        }
      },
      { concurrency: DETAILS_AT_A_TIME },
    );
    if (!signal.aborted) await onEnd([...failing].map(([name, reason]) => ({ name, reason })));
  }

  function settle(name: string, isTold: boolean): void {
    const app = current().get(name);
    const state = states.get(name);
    if (app === undefined || state === undefined) return;
    states.set(name, isTold ? told(app, state, nowMs(), random()) : failed(state, nowMs()));
  }

  return {
    async refresh(known, signal) {
      const due = look(known);
      if (due.length > 0) {
        asking = ask(due, signal).finally(() => {
          asking = undefined;
        });
      }
      await asking;
    },
    askForAllAgain() {
      for (const [name, state] of states) states.set(name, askAgain(state));
    },
  };
}
