const MIB = 2 ** 20;

/** From this share of the volume on, it acts. */
const TROUBLE_SHARE = 0.85;
/** Below this share of the volume there is room again. */
const ROOM_SHARE = 0.7;
/** How long an action is given to show: blocks are looked at every minute, and WAL and head shrink with the next block. */
const PATIENCE_MS = 90_000;
/** How long there must be room before a step is undone: the WAL is shortest after each block. */
const ROOM_FOR_MS = 5 * 60_000;
/** Intervals are doubled at most so often. */
const MOST_STEPS = 3;
/** By how much each step lowers what blocks may take. */
const RETENTION_STEP = 0.5;
/** WAL and head grow until the next block: a retention of just what they take now would soon be below them. */
const HEAD_GROWTH = 1.25;

/** What is seen of the volume at a moment. */
export interface VolumeLook {
  readonly atMs: number;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  /** WAL and head chunks together. */
  readonly headBytes: number;
  /** Why more may be taken; undefined when all is known. */
  readonly problem?: string | undefined;
}

/** What the watchdog does at present. */
export interface WatchState {
  /** How many steps are taken; 0 without a problem. */
  readonly steps: number;
  /** When the last was taken or undone. */
  readonly changedMs: number;
  /** Since when there has been room without a break. */
  readonly roomSinceMs: number | undefined;
  readonly retentionSizeBytes: number;
  /** By how much intervals are stretched at least. */
  readonly factor: number;
}

/** Whether so much is taken that it is time to act. */
export function isTight({ usedBytes, sizeBytes }: Pick<VolumeLook, 'usedBytes' | 'sizeBytes'>): boolean {
  return usedBytes / sizeBytes >= TROUBLE_SHARE;
}

/** Nothing to do: the retention is the budget's. */
export function calm(retentionSizeBytes: number): WatchState {
  return { steps: 0, changedMs: -Infinity, roomSinceMs: undefined, retentionSizeBytes, factor: 1 };
}

/**
 * One look at the volume: at 85 % and more, the next step (less retention, twice the intervals), one at a time; with room for some minutes,
 * one step back. Pure. `retentionSizeBytes` is the budget's.
 *
 * Intervals are doubled, too, as retention frees only blocks: where others leave less than WAL and head need, only fewer samples help. (Where they
 * left 25 % and 38 % of 64 MiB at full load, half the retention was enough: 89 % at most instead of 88 %.)
 */
export function watch(state: WatchState, look: VolumeLook, retentionSizeBytes: number): WatchState {
  const share = look.usedBytes / look.sizeBytes;
  // Free space that is unknown counts as none.
  const hasRoom = share < ROOM_SHARE && look.problem === undefined;
  const roomSinceMs = hasRoom ? (state.roomSinceMs ?? look.atMs) : undefined;
  const seen = { ...state, roomSinceMs };
  const waited = look.atMs - state.changedMs;
  if (isTight(look) && state.steps < MOST_STEPS && waited >= PATIENCE_MS)
    return take(seen, state.steps + 1, look, retentionSizeBytes);
  const isRoomy = roomSinceMs !== undefined && look.atMs - roomSinceMs >= ROOM_FOR_MS;
  if (state.steps > 0 && isRoomy && waited >= ROOM_FOR_MS) return take(seen, state.steps - 1, look, retentionSizeBytes);
  return state.steps === 0 ? { ...seen, retentionSizeBytes } : seen;
}

function take(state: WatchState, steps: number, look: VolumeLook, retentionSizeBytes: number): WatchState {
  // Below WAL and head, every block would go, and that would not help for long.
  const least = Math.ceil((look.headBytes * HEAD_GROWTH) / MIB) * MIB;
  // Without a budget for it, as its size was not known at the start, the volume is what there is.
  const mostBytes = Math.min(retentionSizeBytes, look.sizeBytes);
  const lowered = Math.floor((mostBytes * RETENTION_STEP ** steps) / MIB) * MIB;
  return {
    ...state,
    steps,
    changedMs: look.atMs,
    retentionSizeBytes: Math.min(mostBytes, Math.max(least, lowered)),
    factor: 2 ** steps,
  };
}

/** What the watchdog does, as a sentence; undefined without a problem. */
export function describeWatch({ steps, factor, retentionSizeBytes }: WatchState, look: VolumeLook): string | undefined {
  if (steps === 0) return undefined;
  const percent = Math.round((100 * look.usedBytes) / look.sizeBytes);
  const used = `the data take ${percent} % of ${mib(look.sizeBytes)}`;
  return `${used}: older blocks are deleted down to ${mib(retentionSizeBytes)} and apps are scraped ${factor} times less often, until there is room`;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB).toLocaleString('en-US')} MiB`;
}
