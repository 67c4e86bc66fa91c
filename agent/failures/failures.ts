import type { LogLine } from '../prometheus/api/logfmt.ts';
import type { PrometheusClient } from '../prometheus/api/client.ts';
import { samplesOf } from '../prometheus/api/exposition.ts';
import { createLastErrors } from './errors.ts';
import type { FailureKind, Observation } from './observation.ts';
import type { Probe } from './probe.ts';
import { createOngoingFailures, type OngoingFailuresOptions } from './ongoing-failures.ts';
import { observeLimits, observeRules } from './states.ts';
import {
  compareCounts,
  readAlertmanagers,
  readRemoteWrites,
  readRuleGroups,
  type FailureCount,
} from './failure-counts.ts';

/** With more targets than this they are not asked for: at 10,000 the answer is 7 MB. */
const MOST_TARGETS = 2_000;
const FAILED_RULES = ['prometheus_rule_evaluation_failures_total', 'prometheus_template_text_expansion_failures_total'];
/** Counters of limits. Those of samples and sizes grow by intent: targets that do not fit are measured with scrapes that fail. */
const LIMITS = [
  'prometheus_target_scrape_pool_exceeded_target_limit_total',
  'prometheus_target_scrape_pool_exceeded_label_limits_total',
  'prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total',
];
export interface FailuresOptions extends OngoingFailuresOptions {
  readonly client: Pick<PrometheusClient, 'alertmanagers' | 'rules' | 'targets'>;
  /** Whether Alertmanagers can be reached; undefined if Prometheus runs elsewhere or has a proxy, and may probe others. */
  readonly probe: Probe | undefined;
}

/** What Prometheus has loaded and cannot run: receivers that refuse or are away, rules that fail, limits that drop targets. */
export interface Failures {
  /** A line of the log of the agent's own Prometheus: it has the errors of receivers, which no metric has. */
  readonly onLine: (line: LogLine) => void;
  /** Prometheus has stopped a query that came through the agent's port, by the limit of this setting. */
  readonly onStopped: (limit: string, error: string) => void;
  /** Looks at Prometheus by its metrics, and asks for more only where they show failures. Never rejects. */
  readonly look: (page: string) => Promise<void>;
}

export function createFailures({ client, probe, ...options }: FailuresOptions): Failures {
  const ongoing = createOngoingFailures(options);
  const errors = createLastErrors();
  /** Alertmanagers that could not be reached at the last look. */
  const away = new Set<string>();
  const counts = new Map<FailureKind, readonly FailureCount[]>();
  const rulesFail = createGrowth(FAILED_RULES);
  const limitsExceeded = createGrowth(LIMITS);
  /** Each limit that has stopped a query, with the error since the last look, if there was one. */
  const stopped = new Map<string, string | undefined>();
  let failingRules: ReadonlyMap<string, string> = new Map();

  function compare(kind: FailureKind, now: readonly FailureCount[]): readonly Observation[] {
    const observations = compareCounts(counts.get(kind), now, (key) => errors.of(kind, key));
    counts.set(kind, now);
    return observations;
  }

  /** One that is sent nothing may be away anyway, and one that was away may be back. */
  async function reached(observation: Observation, probe: Probe): Promise<Observation> {
    const { key, verdict } = observation;
    const error = verdict === 'works' ? undefined : await probe(key);
    const wasAway = away.has(key);
    if (error === undefined) away.delete(key);
    else away.add(key);
    if (verdict !== 'idle') return observation;
    if (error !== undefined) return { ...observation, verdict: 'fails', isNew: true, error };
    return wasAway ? { ...observation, verdict: 'works' } : observation;
  }

  async function lookAtAlertmanagers(page: string): Promise<void> {
    const observations = compare('alertmanager', readAlertmanagers(page));
    // Metrics of one that a reload has removed stay (2.42). Without an answer, nothing is known to be gone.
    const urls = observations.length === 0 ? [] : await client.alertmanagers().catch(() => undefined);
    const configured = observations.filter(({ key }) => urls?.includes(key) ?? true);
    ongoing.observe(
      'alertmanager',
      probe === undefined ? configured : await Promise.all(configured.map((one) => reached(one, probe))),
    );
  }

  async function lookAtRules(page: string): Promise<void> {
    if (!rulesFail.hasGrown(page) && !ongoing.isOpen('rule')) return;
    const { observations, failing } = observeRules(await client.rules(), failingRules);
    rulesFail.settle();
    failingRules = failing;
    ongoing.observe('rule', observations);
  }

  async function lookAtLimits(page: string): Promise<void> {
    if (!limitsExceeded.hasGrown(page) && !ongoing.isOpen('limit')) return;
    if (total(page, 'prometheus_target_scrape_pool_targets') > MOST_TARGETS) return;
    const observations = observeLimits(await client.targets());
    limitsExceeded.settle();
    ongoing.observe('limit', observations);
  }

  function observeQueries(): void {
    const observations = [...stopped].map(([limit, error]): Observation =>
      error === undefined
        ? { key: limit, name: limit, verdict: 'idle', isNew: false }
        : { key: limit, name: limit, verdict: 'fails', isNew: true, error },
    );
    ongoing.observe('query', observations);
    for (const limit of stopped.keys()) stopped.set(limit, undefined);
  }

  return {
    onLine: errors.onLine,
    onStopped: (limit, error) => stopped.set(limit, error),
    async look(page) {
      ongoing.observe('remote_write', compare('remote_write', readRemoteWrites(page)));
      ongoing.observe('rule_group', compare('rule_group', readRuleGroups(page)));
      observeQueries();
      // What does not answer now is asked again at the next look.
      await Promise.allSettled([lookAtAlertmanagers(page), lookAtRules(page), lookAtLimits(page)]);
    },
  };
}

/** Whether counters have grown since it was last looked into why; at first, whether they count anything. */
function createGrowth(names: readonly string[]): { hasGrown(page: string): boolean; settle(): void } {
  let seen = 0;
  let settled = 0;
  return {
    hasGrown(page) {
      seen = names.reduce((sum, name) => sum + total(page, name), 0);
      // A Prometheus that was restarted counts from 0.
      settled = Math.min(settled, seen);
      return seen > settled;
    },
    settle() {
      settled = seen;
    },
  };
}

function total(page: string, name: string): number {
  return [...samplesOf(page, name)].reduce((sum, { value }) => sum + value, 0);
}
