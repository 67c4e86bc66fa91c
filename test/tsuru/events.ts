import { randomBytes } from 'node:crypto';
import { once, EventEmitter } from 'node:events';
import { TsuruError } from './errors.ts';
import { goSeconds } from './go.ts';

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
  readonly owner: Owner;
  /** A locked target is waited for so long; without it not at all. */
  readonly waitMs?: number;
}

/** What Tsuru remembers of one change. While it runs, it locks its target. */
export interface TsuruEvent extends Change {
  readonly id: string;
  readonly startTime: Date;
  endTime: Date | undefined;
  running: boolean;
  error: string;
  log: string;
}

export interface Events {
  readonly all: readonly TsuruEvent[];
  /** Runs a change under the lock of its target. */
  run<T>(change: Change, work: (event: TsuruEvent) => Promise<T>): Promise<T>;
}

/** `closing` ends the waiting for locks. */
export function createEvents(closing: AbortSignal): Events {
  const all: TsuruEvent[] = [];
  const holders = new Map<string, TsuruEvent>();
  const released = new EventEmitter();
  released.setMaxListeners(0);

  async function lock(change: Change): Promise<TsuruEvent> {
    const key = keyOf(change);
    const deadline = AbortSignal.any([AbortSignal.timeout(change.waitMs ?? 0), closing]);
    for (let holder = holders.get(key); holder !== undefined; holder = holders.get(key)) {
      const isWaiting = change.waitMs !== undefined && !deadline.aborted;
      if (!isWaiting) throw lockedError(key, holder);
      // The deadline rejects; the next round then sees it.
      await once(released, key, { signal: deadline }).catch(() => undefined);
    }
    const event: TsuruEvent = {
      ...change,
      id: randomBytes(12).toString('hex'),
      startTime: new Date(),
      endTime: undefined,
      running: true,
      error: '',
      log: '',
    };
    holders.set(key, event);
    all.push(event);
    return event;
  }

  return {
    all,
    async run(change, work) {
      const event = await lock(change);
      try {
        return await work(event);
      } catch (error) {
        event.error = error instanceof Error ? error.message : String(error);
        throw error;
      } finally {
        event.running = false;
        event.endTime = new Date();
        holders.delete(keyOf(change));
        released.emit(keyOf(change));
      }
    },
  };
}

function keyOf({ target }: Change): string {
  return `${target.type}(${target.value})`;
}

function lockedError(key: string, { kind, owner, startTime }: TsuruEvent): TsuruError {
  return new TsuruError(
    `event locked: ${key} running "${kind}" start by ${owner.type} ${owner.name} at ${goSeconds(startTime)}`,
  );
}
