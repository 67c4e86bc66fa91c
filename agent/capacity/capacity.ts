import { budgetOf, type Budget, type Resources } from '../shared/budget.ts';
import type { Layout, Load } from '../shared/layout.ts';
import type { Settings } from '../shared/settings/schema.ts';
import { withMargin } from './load.ts';
import type { Volume } from '../storage/volume.ts';
import type { WatchState } from './volume-steps.ts';

/** What is known of what the agent's own Prometheus can hold, and of what it holds. */
export interface CapacityFacts {
  /** Undefined if unknown. */
  readonly memoryLimitBytes: number | undefined;
  readonly volume: Pick<Volume, 'kind' | 'sizeBytes'>;
  /** What its blocks are made for; undefined for what the retention can keep. */
  readonly load: Load | undefined;
  /** How long its blocks are, once it runs with them. */
  readonly layout: Layout | undefined;
  /** What the guard of the volume does; undefined as long as there is room. */
  readonly volumeSteps: WatchState | undefined;
  /** Apps that are not scraped for now, as they make too many series, and why. */
  readonly paused: ReadonlyMap<string, string>;
  /** What each target exposes a scrape, by sampleKey; undefined until Prometheus reports. */
  readonly samples: ReadonlyMap<string, number> | undefined;
}

/** What follows from it. */
export interface Capacity {
  readonly budget: Budget;
  /** What the data may take at present. */
  readonly retentionSizeBytes: number | undefined;
  /** The most series, and so the most samples that a target can have room for. */
  readonly mostSeries: number;
  /** By how much all intervals are stretched at least. */
  readonly factor: number;
  /** What is tight, with the sum. */
  readonly problem: string | undefined;
}

type OfBudget = Pick<CapacityFacts, 'memoryLimitBytes' | 'volume' | 'load' | 'layout'>;

export function resourcesOf(settings: Settings, { memoryLimitBytes, volume, load, layout }: OfBudget): Resources {
  const { retentionSizeBytes, retentionMs, remoteWrite } = settings;
  const madeFor = load === undefined ? undefined : withMargin(load);
  const receivers = remoteWrite.length;
  return { memoryLimitBytes, volume, retentionSizeBytes, retentionMs, receivers, load: madeFor, layout };
}

export function capacityOf(
  settings: Settings,
  memoryLimitBytes: OfBudget['memoryLimitBytes'],
  volume: OfBudget['volume'],
  load: OfBudget['load'],
  layout: OfBudget['layout'],
  volumeSteps: CapacityFacts['volumeSteps'],
): Capacity {
  const budget = budgetOf(resourcesOf(settings, { memoryLimitBytes, volume, load, layout }));
  return {
    budget,
    retentionSizeBytes: volumeSteps === undefined ? budget.retentionSizeBytes : volumeSteps.retentionSizeBytes,
    mostSeries: Math.min(...budget.limits.map(({ series }) => series)),
    factor: volumeSteps?.factor ?? 1,
    problem: budget.problems.length === 0 ? undefined : budget.problems.join('; '),
  };
}
