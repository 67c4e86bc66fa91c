import type { Clock } from '../shared/clock.ts';
import type { PrometheusClient } from '../prometheus/api/client.ts';
import { budgetOf, isOutgrown } from '../shared/budget.ts';
import { grown, type Load } from '../shared/layout.ts';
import type { Settings } from '../shared/settings/schema.ts';
import type { CapacityStatus } from '../shared/status.ts';
import { errorText } from '../shared/text.ts';
import type { TargetGroup } from '../discovery/target-group.ts';
import type { Troubles } from '../system/troubles.ts';
import { resourcesOf, type Capacity, type CapacityFacts } from './capacity.ts';
import { targetKey } from './fit.ts';
import { createGuard } from './volume-guard.ts';
import { createHeadGuard } from './series-guard.ts';
import { watchLoad, withoutMargin, type LoadFile } from './load.ts';
import { readSamples } from './samples.ts';
import type { VolumeLook } from './volume-steps.ts';

/** How often the targets' samples are asked for: one query, and an app that explodes fails alone until then. */
const SAMPLES_EVERY_MS = 30_000;
/** The same while there are targets that were never scraped, which are taken for more than most are; and how often that is looked at. */
const UNKNOWN_SAMPLES_EVERY_MS = 5_000;

export interface CapacityWatchOptions {
  readonly storageFolder: string;
  readonly loadFile: LoadFile;
  /** How much of the volume was taken at the start; undefined if it could not be read. */
  readonly usedBytes: number | undefined;
  /** What is known and what follows from it, at present. */
  readonly now: () => {
    readonly facts: CapacityFacts;
    readonly capacity: Capacity;
    readonly settings: Settings;
    readonly groups: readonly TargetGroup[];
    /** Of what may be scraped, 1 is all. */
    readonly load: number;
  };
  /** Takes what is found out. */
  readonly patch: (news: Partial<CapacityFacts>) => void;
  readonly client: PrometheusClient;
  readonly clock: Clock;
  readonly troubles: Troubles;
  /** The volume was looked at again; returns whether something on it was freed. Never rejects. */
  readonly onLook: (look: VolumeLook) => Promise<boolean>;
}

/** Finds out what the own Prometheus holds: its volume, its head, what targets expose, and what it takes in. */
export interface CapacityWatch {
  readonly status: () => CapacityStatus;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export function createCapacityWatch(options: CapacityWatchOptions): CapacityWatch {
  const { now, patch, client, clock, troubles } = options;
  let layoutSinceMs = clock.nowMs();
  let measuredAtMs = -Infinity;

  const guard = createGuard({
    folder: options.storageFolder,
    retentionSizeBytes: () => now().capacity.budget.retentionSizeBytes ?? Infinity,
    onChange: (state) => {
      patch({ volumeSteps: state.steps === 0 ? undefined : state });
    },
    onLook: options.onLook,
    troubles,
    clock,
  });

  const head = createHeadGuard({
    client,
    budgetSeries: () => now().capacity.mostSeries,
    onChange: (paused) => {
      patch({ paused });
    },
    troubles,
    clock,
  });

  /**
   * More than the present blocks hold takes shorter ones: Prometheus is restarted, and cuts its head at once. That waits until the head,
   * a merged block or all blocks really are as large, so that a bind is not followed by a restart.
   */
  function follow(load: Load): void {
    const { facts, settings } = now();
    if (facts.layout === undefined) return;
    const usedBytes = guard.lastLook()?.usedBytes ?? options.usedBytes ?? Infinity;
    const present = { layout: grown(facts.layout, clock.nowMs() - layoutSinceMs), usedBytes };
    if (!isOutgrown(resourcesOf(settings, facts), present, withoutMargin(load))) return;
    keepLayout(load);
  }

  /** The blocks for a load are kept until they are outgrown, whatever else changes: others take a restart. */
  function keepLayout(load: Load | undefined): void {
    const { facts, settings } = now();
    const { layout } = budgetOf(resourcesOf(settings, { ...facts, load, layout: undefined }));
    layoutSinceMs = clock.nowMs();
    patch({ load, layout });
  }

  async function learnSamples(): Promise<void> {
    try {
      const told = await readSamples(client);
      const { samples } = now().facts;
      measuredAtMs = clock.nowMs();
      troubles.end('samples', 'Prometheus reports the samples of each target again');
      const isSame = told.size === samples?.size && [...told].every(([key, count]) => samples.get(key) === count);
      if (!isSame) patch({ samples: told });
    } catch (error) {
      // One that starts, or is restarted, is reported elsewhere.
      const isReady = await client.ready().then(
        () => true,
        () => false,
      );
      if (isReady)
        troubles.begin('samples', `Prometheus does not report the samples of each target: ${errorText(error)}`);
    }
  }

  function hasUnmeasured(): boolean {
    const { facts, groups } = now();
    return groups.some((group) => facts.samples?.has(targetKey(group)) !== true);
  }

  return {
    status() {
      const { facts, capacity, load } = now();
      const look = guard.lastLook();
      return {
        memoryLimitBytes: facts.memoryLimitBytes,
        goMemLimitBytes: capacity.budget.goMemLimitBytes,
        volume: facts.volume.kind,
        volumeBytes: look?.sizeBytes ?? facts.volume.sizeBytes,
        volumeUsedBytes: look?.usedBytes ?? options.usedBytes,
        retentionSizeBytes: capacity.retentionSizeBytes,
        load,
        steps: guard.state().steps,
        series: head.series(),
        pausedApps: [...facts.paused.keys()],
      };
    },
    async run(signal) {
      keepLayout(now().facts.load);
      const isStopped = (): boolean => signal.aborted;
      const learn = async (): Promise<void> => {
        while (!isStopped()) {
          await clock.sleep(UNKNOWN_SAMPLES_EVERY_MS, signal);
          const isDue = hasUnmeasured() || clock.nowMs() - measuredAtMs >= SAMPLES_EVERY_MS;
          if (!isStopped() && isDue) await learnSamples();
        }
      };
      const measured = watchLoad({ client, file: options.loadFile, clock, onLoad: follow }, signal);
      await Promise.all([guard.run(signal), head.run(signal), learn(), measured]);
    },
  };
}
