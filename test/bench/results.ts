import type { AtOnceTimes } from './at-once.ts';
import type { ChangeTimes } from './change.ts';
import type { GatewayTimes } from './gateway.ts';
import type { ChangedRounds, SteadyRounds } from './rounds.ts';
import type { InstanceTimes } from './instance.ts';
import type { ServiceTimes } from './service.ts';
import type { Summary } from './statistics.ts';

/** Measured with this many units. */
export interface SizeResults {
  readonly changed: ChangedRounds;
  readonly unchanged: SteadyRounds;
}

/** All that was measured. */
export interface Results {
  /** By the number of units. */
  readonly sizes: ReadonlyMap<number, SizeResults>;
  readonly change: ChangeTimes;
  readonly rulesMs: Summary;
  readonly gateway: readonly GatewayTimes[];
  readonly service: ServiceTimes;
  readonly instance: InstanceTimes;
  readonly atOnce: readonly AtOnceTimes[];
}
