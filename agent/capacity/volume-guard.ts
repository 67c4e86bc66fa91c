import type { Clock } from '../shared/clock.ts';
import { errorText } from '../shared/text.ts';
import type { Troubles } from '../system/troubles.ts';
import { readHeadBytes } from '../storage/data-folder.ts';
import { readVolume, type StatVolume } from '../storage/volume.ts';
import { calm, describeWatch, watch, type VolumeLook, type WatchState } from './volume-steps.ts';

/** A volume that is full within a minute is filled by a percent or two meanwhile. */
const LOOK_EVERY_MS = 5_000;
const FULL = 'volume-full';
const UNKNOWN = 'volume-unknown';

export interface GuardOptions {
  /** Prometheus' data folder. */
  readonly folder: string;
  /** The budget's, which may change. */
  readonly retentionSizeBytes: () => number;
  /** Told when it takes a step or undoes one: what retention.size and the least factor of all intervals are from now on. */
  readonly onChange: (state: WatchState) => void;
  /** Told of each look before a step is taken; returns whether it has freed anything, so that it is looked again. Never rejects. */
  readonly onLook?: (look: VolumeLook) => Promise<boolean>;
  readonly troubles: Troubles;
  readonly clock: Clock;
  readonly stat?: StatVolume;
}

/** Watches the free space of the volume with the data. */
export interface Guard {
  /** What it does at present, and the last look; for status and metrics. */
  readonly state: () => WatchState;
  readonly lastLook: () => VolumeLook | undefined;
  /** One look. Never rejects. */
  look(): Promise<void>;
  /** Looks until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createGuard(options: GuardOptions): Guard {
  const { folder, retentionSizeBytes, onChange, onLook, troubles, clock, stat } = options;
  let state = calm(retentionSizeBytes());
  let last: VolumeLook | undefined;

  /** Undefined when the volume has no size of its own. @throws the file system's error. */
  async function read(): Promise<VolumeLook | undefined> {
    const { sizeBytes, usedBytes, problem } = await readVolume(folder, stat);
    if (sizeBytes === undefined) return undefined;
    return { atMs: clock.nowMs(), sizeBytes, usedBytes, problem, headBytes: await readHeadBytes(folder) };
  }

  async function look(): Promise<void> {
    try {
      last = await read();
      if (last !== undefined && (await onLook?.(last)) === true) last = await read();
      if (last === undefined) return;
    } catch (error) {
      unknown(errorText(error));
      return;
    }
    if (last.problem === undefined) troubles.end(UNKNOWN, "the usage of the data's volume is known again");
    else unknown(last.problem);
    const before = state;
    state = watch(state, last, retentionSizeBytes());
    if (state.steps !== before.steps) onChange(state);
    const sentence = describeWatch(state, last);
    if (sentence !== undefined) troubles.begin(FULL, sentence);
    else troubles.end(FULL, 'the data have room again: retention and intervals are as before');
  }

  function unknown(reason: string): void {
    troubles.begin(UNKNOWN, `the usage of the data's volume is unknown, so no limit is lifted: ${reason}`);
  }

  return {
    state: () => state,
    lastLook: () => last,
    look,
    async run(signal) {
      while (!signal.aborted) {
        await look();
        await clock.sleep(LOOK_EVERY_MS, signal);
      }
    },
  };
}
