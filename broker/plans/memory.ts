import { bridgedMs, budgetOf, seriesAt, seriesKept, type Budget, type Resources } from '../../agent/shared/budget.ts';
import type { Storage } from './plan.ts';

/** Tables of plans are reported for the usual interval. */
const USUAL_INTERVAL_MS = 15_000;

/** What a plan has room for. */
export interface PlanCapacity {
  /** How many series' samples are kept for the whole retention, at the usual interval. */
  readonly kept: number;
  /** How many series fit, at the usual interval. */
  readonly most: number;
  /** How long a receiver of remote_write may be away at any moment, with as many series as are kept, and with as many as fit. */
  readonly bridgedMs: { readonly kept: number; readonly most: number };
}

/** Whether memory holds data, heap and agent, and what then fits. */
export function budgetOfPlan(memoryBytes: number, storage: Storage): Budget {
  return budgetOf(resourcesOf(memoryBytes, storage));
}

/** What fits into a plan, and how long it is kept. */
export function capacityOfPlan(
  memoryBytes: number,
  storage: Storage,
  retention: Pick<Resources, 'retentionMs' | 'retentionSizeBytes'>,
): PlanCapacity {
  const resources = { ...resourcesOf(memoryBytes, storage), ...retention };
  const most = seriesAt(budgetOf(resources).limits, USUAL_INTERVAL_MS);
  const kept = seriesKept(resources, USUAL_INTERVAL_MS);
  const bridged = (series: number): number => {
    const load = { series, samplesPerSecond: (series * 1000) / USUAL_INTERVAL_MS };
    const { layout } = budgetOf({ ...resources, load });
    return layout === undefined ? 0 : bridgedMs(layout, load.samplesPerSecond).leastMs;
  };
  return { kept, most, bridgedMs: { kept: bridged(kept), most: bridged(most) } };
}

function resourcesOf(memoryBytes: number, storage: Storage): Resources {
  const kind = storage.kind === 'tmpfs' ? 'tmpfs' : 'disk';
  return { memoryLimitBytes: memoryBytes, volume: { kind, sizeBytes: storage.sizeBytes } };
}
