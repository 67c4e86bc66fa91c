import type { Clock } from '../shared/clock.ts';
import { isObject } from '../shared/shape.ts';

/** The apps whose details a poll requests again, whatever their age. */
export type DetailsAgain = 'all' | ReadonlySet<string>;

/** Between the starts of two polls that were asked for: a poll costs Tsuru about five database calls. */
const POKE_PAUSE_MS = 1_000;

export const BAD_POKE = 'The body must be empty, or JSON like {"apps": ["my-app"]}.';

/** Polls Tsuru on request of a client that knows of a change. */
export interface Pokes {
  /** Polls at once, or with the next poll that may start. Returns before the poll. */
  readonly poke: (again: DetailsAgain) => void;
}

export interface PokesOptions {
  /** Starts a poll as soon as the current one has ended. Resolves at its end, and never rejects. */
  readonly poll: (again: DetailsAgain) => Promise<unknown>;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly signal: AbortSignal;
}

/**
 * At most one poll a second. A poke never joins a poll that has started, as Tsuru may have answered it before the change: all pokes that
 * arrive meanwhile share the next one.
 */
export function createPokes({ poll, clock, signal }: PokesOptions): Pokes {
  let next: DetailsAgain | undefined;
  let isBusy = false;

  async function pollWhilePoked(): Promise<void> {
    isBusy = true;
    while (next !== undefined && !signal.aborted) {
      const again = next;
      next = undefined;
      await Promise.all([poll(again), clock.sleep(POKE_PAUSE_MS, signal)]);
    }
    isBusy = false;
  }

  return {
    poke(again) {
      next = union(next, again);
      if (!isBusy) void pollWhilePoked();
    },
  };
}

function union(a: DetailsAgain | undefined, b: DetailsAgain): DetailsAgain {
  if (a === undefined) return b;
  return a === 'all' || b === 'all' ? 'all' : new Set([...a, ...b]);
}

/** The apps that the body of `POST /tsuru/poll` names: all without a body; undefined if the body is invalid. */
export function readPoke(body: string): DetailsAgain | undefined {
  if (body.trim() === '') return 'all';
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isObject(json)) return undefined;
  const { apps, ...unknown } = json;
  if (Object.keys(unknown).length > 0 || !Array.isArray(apps)) return undefined;
  const names: readonly unknown[] = apps;
  const texts = names.filter((name) => typeof name === 'string');
  return texts.length === names.length ? new Set(texts) : undefined;
}
