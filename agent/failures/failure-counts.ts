import { samplesOf } from '../prometheus/api/exposition.ts';
import { senderName } from '../samples/senders.ts';
import type { Observation } from './observation.ts';

/** What Prometheus counts of one of its parts that sends or evaluates. */
export interface FailureCount {
  readonly key: string;
  readonly name: string;
  /** What failed for good. */
  readonly failed: number;
  /** What failed and is tried again: a failure only where nothing succeeds. */
  readonly retried: number;
  /** Grows with each success; it may grow with failures, too. */
  readonly done: number;
}

const REMOTE = 'prometheus_remote_storage_';
/** What a sender sends; metadata are no data, and are sent again each minute. */
const SENT = ['samples', 'histograms', 'exemplars'] as const;

/** Of each Alertmanager, by its URL. Prometheus 2 counts failures as sent as well, 3.14 does not. */
export function readAlertmanagers(page: string): readonly FailureCount[] {
  const sent = byLabel(page, 'prometheus_notifications_sent_total', 'alertmanager');
  return [...byLabel(page, 'prometheus_notifications_errors_total', 'alertmanager')].map(([url, failed]) => ({
    key: url,
    name: URL.parse(url)?.host ?? 'of an unknown address',
    failed,
    retried: 0,
    done: sent.get(url) ?? 0,
  }));
}

/** Of each remote_write, by its name. */
export function readRemoteWrites(page: string): readonly FailureCount[] {
  const sum = (what: 'failed' | 'retried', name: string): number =>
    SENT.reduce((total, data) => total + (tables.get(`${data}_${what}`)?.get(name) ?? 0), 0);
  const tables = new Map(
    SENT.flatMap((data) =>
      (['failed', 'retried'] as const).map((what) => [
        `${data}_${what}`,
        byLabel(page, `${REMOTE}${data}_${what}_total`, 'remote_name'),
      ]),
    ),
  );
  const sent = byLabel(page, `${REMOTE}queue_highest_sent_timestamp_seconds`, 'remote_name');
  return [...samplesOf(page, `${REMOTE}samples_failed_total`)].map(({ labels }) => {
    const key = labels.get('remote_name') ?? '';
    return {
      key,
      name: senderName({ name: key, url: labels.get('url') ?? '' }),
      failed: sum('failed', key),
      retried: sum('retried', key),
      done: sent.get(key) ?? 0,
    };
  });
}

/** Of each group of rules, by `file;group`: what is missed there are evaluations that did not end in time. */
export function readRuleGroups(page: string): readonly FailureCount[] {
  const done = byLabel(page, 'prometheus_rule_group_iterations_total', 'rule_group');
  return [...byLabel(page, 'prometheus_rule_group_iterations_missed_total', 'rule_group')].map(([key, failed]) => ({
    key,
    name: key.slice(key.indexOf(';') + 1),
    failed,
    retried: 0,
    done: done.get(key) ?? 0,
  }));
}

/** What the counts show since the last observation; nothing at the first one, as the time of its failures is unknown. */
export function compareCounts(
  before: readonly FailureCount[] | undefined,
  now: readonly FailureCount[],
  errorOf: (key: string) => string | undefined = () => undefined,
): readonly Observation[] {
  const last = new Map(before?.map((failureCount) => [failureCount.key, failureCount]));
  return now.map((failureCount) => {
    const { key, name } = failureCount;
    // One that is new counts from 0.
    const verdict = before === undefined ? 'idle' : verdictOf(last.get(key), failureCount);
    const error = errorOf(key);
    return { key, name, verdict, isNew: verdict === 'fails', ...(error === undefined ? {} : { error }) };
  });
}

function verdictOf(before: FailureCount | undefined, now: FailureCount): Observation['verdict'] {
  if (hasGrown(before?.failed, now.failed)) return 'fails';
  if (hasGrown(before?.done, now.done)) return 'works';
  return hasGrown(before?.retried, now.retried) ? 'fails' : 'idle';
}

/** A Prometheus that was restarted counts from 0. */
function hasGrown(before = 0, now: number): boolean {
  return now < before ? now > 0 : now > before;
}

/** The sums of a metric by one of its labels. */
function byLabel(page: string, metric: string, label: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of samplesOf(page, metric)) {
    const key = labels.get(label) ?? '';
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}
