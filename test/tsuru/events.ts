import { randomBytes } from 'node:crypto';
import { once, EventEmitter } from 'node:events';
import { TsuruError } from './errors.ts';
import { goSeconds } from './go.ts';
import type { Context } from './permissions.ts';

export interface Target {
  readonly type: string;
  readonly value: string;
}

/** Who started an event: a user, or a team token by its id. */
export interface Owner {
  readonly type: 'user' | 'token';
  readonly name: string;
}

export interface Change {
  readonly kind: string;
  readonly target: Target;
  /** Locked too, and as long. */
  readonly extraTargets?: readonly Target[];
  readonly owner: Owner;
  /** Locked targets are waited for this long; without it not at all. */
  readonly waitMs?: number;
}

/** What Tsuru remembers of one change. While it runs, it locks its targets. */
export interface TsuruEvent {
  readonly id: string;
  readonly kind: string;
  readonly target: Target;
  readonly extraTargets: readonly Target[];
  readonly owner: Owner;
  /** Who may read it is decided at its start: its target may be gone at its end. */
  readonly contexts: readonly Context[];
  readonly startTime: Date;
  endTime: Date | undefined;
  running: boolean;
  error: string;
  readonly log: { readonly date: Date; readonly message: string }[];
}

export interface Events {
  readonly all: readonly TsuruEvent[];
  /** Runs a change under the lock of its targets. */
  run<T>(change: Change, work: (event: TsuruEvent) => Promise<T>): Promise<T>;
}

export interface EventsOptions {
  /** Why a change is not to be made; undefined when it is. */
  readonly refusal: (change: Change) => string | undefined;
  readonly contextsOf: (target: Target) => readonly Context[];
  readonly onEnd: (event: TsuruEvent) => void;
  /** Ends the waiting for locks. */
  readonly closing: AbortSignal;
}

export function createEvents({ refusal, contextsOf, onEnd, closing }: EventsOptions): Events {
  const all: TsuruEvent[] = [];
  const holders = new Map<string, TsuruEvent>();
  const released = new EventEmitter();
  released.setMaxListeners(0);

  async function lock(change: Change): Promise<TsuruEvent> {
    const { kind, target, extraTargets = [], owner, waitMs } = change;
    const keys = [target, ...extraTargets].map(keyOf);
    const deadline = AbortSignal.any([AbortSignal.timeout(waitMs ?? 0), closing]);
    for (let held = heldAmong(keys); held !== undefined; held = heldAmong(keys)) {
      const isWaiting = waitMs !== undefined && !deadline.aborted;
      if (!isWaiting) throw lockedError(held.key, held.holder);
      // The deadline rejects; the next round then sees it.
      await once(released, held.key, { signal: deadline }).catch(() => undefined);
    }
    const event: TsuruEvent = {
      ...{ kind, target, extraTargets, owner },
      id: randomBytes(12).toString('hex'),
      contexts: contextsOf(target),
      startTime: new Date(),
      endTime: undefined,
      running: true,
      error: '',
      log: [],
    };
    for (const key of keys) holders.set(key, event);
    all.push(event);
    return event;
  }

  function heldAmong(keys: readonly string[]): { key: string; holder: TsuruEvent } | undefined {
    for (const key of keys) {
      const holder = holders.get(key);
      if (holder !== undefined) return { key, holder };
    }
    return undefined;
  }

  return {
    all,
    async run(change, work) {
      const event = await lock(change);
      try {
        const refused = refusal(change);
        if (refused !== undefined) throw new TsuruError(refused);
        return await work(event);
      } catch (error) {
        event.error = error instanceof Error ? error.message : String(error);
        throw error;
      } finally {
        event.running = false;
        event.endTime = new Date();
        for (const key of [event.target, ...event.extraTargets].map(keyOf)) {
          holders.delete(key);
          released.emit(key);
        }
        onEnd(event);
      }
    },
  };
}

function keyOf({ type, value }: Target): string {
  return `${type}(${value})`;
}

function lockedError(key: string, { kind, owner, startTime }: TsuruEvent): TsuruError {
  return new TsuruError(
    `event locked: ${key} running "${kind}" start by ${owner.type} ${owner.name} at ${goSeconds(startTime)}`,
  );
}
