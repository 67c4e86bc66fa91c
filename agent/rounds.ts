import type { PlanMemory } from './capacity/scrape-plan.ts';
import type { Desired } from './desired.ts';
import type { Facts } from './facts.ts';
import type { Configuration } from './prometheus/configuration/configuration.ts';
import type { OwnPrometheus } from './prometheus/process/own.ts';
import type { Report } from './report/reporter.ts';
import { errorText } from './shared/text.ts';
import type { Publisher } from './targets/publisher.ts';

export interface RoundsOptions {
  readonly desire: (facts: Facts, before: PlanMemory | undefined) => Desired;
  /** How the targets of the last run were planned. */
  readonly planned: PlanMemory | undefined;
  readonly publisher: Publisher;
  readonly configuration: Configuration;
  /** Undefined for an external Prometheus. */
  readonly own: OwnPrometheus | undefined;
  readonly report: Report;
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
}

/** Has what is desired done, round by round. Each applier takes the newest, has retries of its own, and never blocks another. */
export interface Rounds {
  /** Brings what is wanted to what these facts say. Never throws. */
  readonly round: (facts: Facts) => void;
  /** What the last round wanted. @throws before the first. */
  readonly desired: () => Desired;
}

export function createRounds(options: RoundsOptions): Rounds {
  const { desire, publisher, configuration, own, report, nowMs } = options;
  let desired: Desired | undefined;
  let memory = options.planned;
  /** When the facts at the start were seen: what is published of those comes from the last run, and is no news. */
  let startSeenAtMs: number | undefined;
  let seenAtMs: number | undefined;

  return {
    round(facts) {
      startSeenAtMs ??= facts.seenAtMs;
      try {
        desired = desire(facts, memory);
      } catch (error) {
        // A fault of this program: what is on disk stays.
        report({ kind: 'write', outcome: { kind: 'failed', reason: errorText(error) } });
        return;
      }
      const { targets, plan, launch, problems } = desired;
      memory = plan?.memory ?? memory;
      report({ kind: 'problems', problems });
      configuration.want(desired.configuration);
      if (launch !== undefined) own?.want(launch);
      if (facts.apps === undefined || targets === undefined) return;
      // What another cause than Tsuru changes is seen now.
      const isOfTsuru = facts.seenAtMs !== seenAtMs;
      const isNews = publisher.current() !== undefined || facts.seenAtMs !== startSeenAtMs;
      seenAtMs = facts.seenAtMs;
      publisher.want({
        known: facts.apps,
        discovery: targets,
        seenAtMs: isOfTsuru ? facts.seenAtMs : nowMs(),
        isNews,
      });
    },
    desired() {
      if (desired === undefined) throw new Error('there was no round yet');
      return desired;
    },
  };
}
