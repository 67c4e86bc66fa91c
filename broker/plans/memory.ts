import { budgetOf, seriesAt, type Budget } from '../../agent/shared/budget.ts';
import type { Storage } from './plan.ts';

/** What the agent takes beside Prometheus: 85 to 105 MB measured for 1,000 to 10,000 units, and room. */
const AGENT_BYTES = 128 * 1024 ** 2;
/** Tables of plans are told for the usual interval. */
const USUAL_INTERVAL_MS = 15_000;

/** A sample in a block. */
const BYTES_PER_SAMPLE = 2.5;

/** Whether memory holds data, heap and agent, and what then fits. */
export function budgetOfPlan(memoryBytes: number, storage: Storage): Budget {
  const kind = storage.kind === 'tmpfs' ? 'tmpfs' : 'disk';
  return budgetOf({
    memoryLimitBytes: memoryBytes,
    volume: { kind, sizeBytes: storage.sizeBytes },
    agentBytes: AGENT_BYTES,
  });
}

/** How many series fit at the usual interval. */
export function seriesOf({ limits }: Budget): number {
  return seriesAt(limits, USUAL_INTERVAL_MS);
}

/** How many series' samples of a retention fit, at the usual interval. */
export function seriesKept(retentionSizeBytes: number, retentionMs: number): number {
  return Math.floor(retentionSizeBytes / ((retentionMs / USUAL_INTERVAL_MS) * BYTES_PER_SAMPLE));
}
