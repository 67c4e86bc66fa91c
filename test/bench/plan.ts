import type { AtOncePlan } from './at-once.ts';
import type { GatewayPlan } from './gateway.ts';
import type { InstancePlan } from './instance.ts';
import type { ServicePlan } from './service.ts';

/** How much is measured, and at which pace. */
export interface Plan {
  readonly sizes: readonly { readonly units: number; readonly unitsPerApp: number }[];
  /** Rounds of each kind at each size. */
  readonly rounds: number;
  readonly changes: number;
  readonly rules: number;
  /** AGENT_POLL_INTERVAL; undefined for the agent's own. */
  readonly pollInterval: string | undefined;
  /** About how often the agent polls then: a change comes at any moment in between. */
  readonly paceMs: number;
  readonly steadyMs: number;
  readonly service: ServicePlan;
  readonly instance: InstancePlan;
  readonly atOnce: { readonly webhook: AtOncePlan; readonly pollsAlone?: AtOncePlan };
  /** Answers through the gateway, by their size. */
  readonly gateway: readonly GatewayPlan[];
  /** The pace in words, for the reader of the figures. */
  readonly pace: string;
}

/** The agent as it is shipped. As something changes all the time, it polls every 5 s, which holds for a minute after the last change. */
export const FULL: Plan = {
  sizes: [
    { units: 100, unitsPerApp: 20 },
    { units: 1_000, unitsPerApp: 50 },
    { units: 10_000, unitsPerApp: 100 },
  ],
  rounds: 10,
  changes: 20,
  rules: 20,
  pollInterval: undefined,
  paceMs: 5_000,
  steadyMs: 20_000,
  gateway: [
    { bytes: 1_000, requests: 2_000 },
    { bytes: 10_000_000, requests: 40 },
  ],
  service: { binds: 10, instances: 200, asks: 100 },
  // 240 scrapes are what an hour has at the usual interval of 15 s.
  instance: { units: 1_000, seriesPerUnit: 20, watchMs: 60_000, scrapes: 240 },
  atOnce: { webhook: { changes: 20, rollouts: 10 }, pollsAlone: { changes: 10, rollouts: 5 } },
  pace: "the agent's own: every 5 s +-10 % after a change, as here throughout (15 s once nothing has changed for a minute)",
};

/** A glance: about two minutes. */
export const QUICK: Plan = {
  sizes: [
    { units: 100, unitsPerApp: 20 },
    { units: 1_000, unitsPerApp: 50 },
  ],
  rounds: 3,
  changes: 2,
  rules: 3,
  pollInterval: '1s',
  paceMs: 1_000,
  steadyMs: 3_000,
  gateway: [
    { bytes: 1_000, requests: 300 },
    { bytes: 10_000_000, requests: 10 },
  ],
  service: { binds: 1, instances: 8, asks: 20 },
  instance: { units: 100, seriesPerUnit: 20, watchMs: 5_000, scrapes: 5 },
  atOnce: { webhook: { changes: 1, rollouts: 1 } },
  pace: 'every second +-10 % (--quick), so rounds and waits are not those of an agent as it is shipped',
};
