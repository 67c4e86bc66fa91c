import { stat } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import type { ActiveTarget } from '../support/prometheus.ts';
import { SoakFailure } from './history.ts';
import type { Stage } from './stage.ts';
import { readTargets } from './targets-file.ts';

const ASK_EVERY_MS = 150;
/** A version of the target file may be there for a moment only, which Prometheus may or may not read. */
const READ_EVERY_MS = 10;

/**
 * Sees to it that no target is lost: what Prometheus had before a batch, it and each version of the target file must have at every moment
 * of it, as long as the unit is there, bound and not opted out.
 */
export interface Guard {
  /** The targets of an app may go from now on: the next step takes them away. */
  releaseApp(app: string): void;
  releaseUnit(unit: string): void;
  /** Neither need have any target until the result is called, and then for a grace. */
  suspend(): (grace: Grace) => void;
  /** How often what Prometheus or a new version of the file has was compared. */
  readonly samples: number;
  /** Watches until the signal aborts. Rejects with a SoakFailure when a target is lost. */
  watch(signal: AbortSignal): Promise<void>;
}

export interface Grace {
  readonly ms: number;
  /** Whether the grace is over as soon as no target is missing. */
  readonly endsWhenBack: boolean;
}

export function createGuard(stage: Stage, before: readonly ActiveTarget[]): Guard {
  const apps = new Set<string>();
  const units = new Set<string>();
  let suspensions = 0;
  let graceUntilMs = -Infinity;
  let endsWhenBack = false;
  let samples = 0;

  function isExcused(): boolean {
    return suspensions > 0 || performance.now() < graceUntilMs;
  }

  /** Those that must be there, and are not. Asks Tsuru afterwards, so that a unit that is there now was there then. */
  function missing(seen: Iterable<string>): readonly ActiveTarget[] {
    const present = new Set(seen);
    return before.filter(
      ({ job, instance }) =>
        !present.has(instance) &&
        !apps.has(job) &&
        !units.has(instance) &&
        stage.world.tsuru.units(job).some(({ name }) => name === instance),
    );
  }

  /** Compares what one of the two has, if it can be told, with what it must have. */
  async function sample(where: string, look: () => Promise<Iterable<string> | undefined>): Promise<void> {
    const wasExcused = isExcused();
    // One that does not answer has lost nothing.
    const seen = await look().catch(() => undefined);
    if (seen === undefined) return;
    samples++;
    const lost = missing(seen);
    if (lost.length === 0 || wasExcused || isExcused()) return;
    const names = lost.map(({ instance, url }) => `  ${instance} (${url})`).join('\n');
    throw new SoakFailure(`${where} lost ${lost.length} targets, though their units are there and bound:\n${names}`);
  }

  async function inPrometheus(): Promise<Iterable<string>> {
    const seen = (await stage.prometheus().targets()).map(({ instance }) => instance);
    if (endsWhenBack && suspensions === 0 && missing(seen).length === 0) graceUntilMs = -Infinity;
    return seen;
  }

  let lastVersion = 0;
  async function inNewFile(): Promise<Iterable<string> | undefined> {
    const path = stage.agent().targetsFile;
    const { mtimeMs } = await stat(path);
    if (mtimeMs === lastVersion) return undefined;
    lastVersion = mtimeMs;
    return (await readTargets(path)).map(({ unit }) => unit);
  }

  async function repeat(signal: AbortSignal, everyMs: number, work: () => Promise<void>): Promise<void> {
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      await work();
      await wait(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  return {
    releaseApp: (app) => void apps.add(app),
    releaseUnit: (unit) => void units.add(unit),
    suspend() {
      suspensions++;
      return (grace) => {
        suspensions--;
        graceUntilMs = Math.max(graceUntilMs, performance.now() + grace.ms);
        ({ endsWhenBack } = grace);
      };
    },
    get samples() {
      return samples;
    },
    async watch(signal) {
      const over = new AbortController();
      const either = AbortSignal.any([signal, over.signal]);
      const watching = [
        repeat(either, ASK_EVERY_MS, () => sample('Prometheus', inPrometheus)),
        repeat(either, READ_EVERY_MS, () => sample('the target file', inNewFile)),
      ];
      await Promise.all(watching).finally(() => {
        over.abort();
      });
    },
  };
}
