import type { Clock } from '../../shared/clock.ts';
import type { ScrapeDefaults } from '../../discovery/annotations.ts';
import { formatDuration } from '../../shared/duration.ts';
import { compareText, errorText } from '../../shared/text.ts';
import { APP_LABEL, type TargetGroup } from '../../discovery/target-group.ts';
import type { Writing } from '../../targets/publisher.ts';
import type { PrometheusClient, TargetHealth } from '../api/client.ts';
import { readMetrics, type PrometheusMetrics } from './observation.ts';
import { applied, beginProof, observe, type Proof } from './proof.ts';

/** Between looks while a version is fresh: Prometheus 2 takes up to 5 s, 3.12 and newer less than one. */
const LOOK_EVERY_MS = 250;
const FRESH_MS = 10_000;
/** Between observations of a version that should be applied and is not. */
const LOOK_LATE_EVERY_MS = 2_000;
/** Between observations of an applied version: a restart of Prometheus is noticed by then. */
const LOOK_AGAIN_EVERY_MS = 10_000;
/** How long a version may take before that is a problem: twice what Prometheus 2 takes, and room for a scan of a large file. */
const LATE_AFTER_MS = 15_000;
/** Between two times that the file is put in place again, so that Prometheus reads it once more: with many targets the proof takes two. */
const NUDGE_EVERY_MS = 15_000;
/** The same for a version that was read, but is not proven to be applied: with many targets that takes two more reads. */
const UNPROVEN_AFTER_MS = 75_000;
/** With more targets than this they are not compared one by one: the answer is too dear to Prometheus. */
const MOST_COMPARED = 1_000;
/** How long the counters may prove nothing before the targets are compared, and how long between two comparisons. */
const COMPARE_AFTER_MS = 1_000;
/**
 * How long a version may stay unread before the discovery counts as dead without a sign of it: above the 30 s at which Prometheus before
 * 3.12 reads the file though nothing told it to.
 */
const DEAD_AFTER_MS = 45_000;

/** Waits before a discovery that dies again at once is revived again: the kernel may have no watches for long. Doubled. */
const FIRST_REVIVAL_WAIT_MS = 15_000;
const LAST_REVIVAL_WAIT_MS = 10 * 60_000;

/** What is known about the version that was last written. */
export interface SyncStatus {
  readonly inSync: boolean;
  /** Since when that is so, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** Why it is not, once it takes too long. */
  readonly problem?: string;
}

export interface ProverOptions {
  readonly client: PrometheusClient;
  readonly targetsFile: string;
  /** What targets without their own are scraped with. */
  readonly scrape: () => ScrapeDefaults;
  readonly clock: Clock;
  /** The file discovery has stalled and has to be restarted; called once a case. */
  readonly onDead: () => void;
  /** Has the target file put in place again as it is, so that Prometheus reads it once more. */
  readonly onUnproven: () => void;
  readonly report: (event: SyncEvent) => void;
}

/** Where its events go. */
export type SyncEvent =
  /** At each change. */
  | { readonly kind: 'sync'; readonly status: SyncStatus }
  /** How long a change took from Tsuru into Prometheus. */
  | { readonly kind: 'loaded'; readonly durationMs: number }
  /** The file discovery is dead, and why. */
  | { readonly kind: 'dead'; readonly reason: string };

/** Proves that Prometheus applied what was last written, and keeps observing. */
export interface Prover extends Writing {
  status(): SyncStatus | undefined;
  run(signal: AbortSignal): Promise<void>;
}

export function createProver({
  client,
  targetsFile,
  scrape,
  clock,
  onDead,
  onUnproven,
  report,
}: ProverOptions): Prover {
  let proof: Proof | undefined;
  let groups: readonly TargetGroup[] = [];
  /** Since when the last version is not in Prometheus, or Prometheus does not report. */
  let unsureSinceMs: number | undefined;
  /** Since when a Prometheus that has its configuration has not read the last version, and no other either. */
  let unreadSinceMs: number | undefined;
  /** The file's second that it had read last. */
  let readSeconds: number | undefined;
  let isReachable = true;
  let isReplacing = false;
  /** When the oldest change was seen that is not in Prometheus yet. */
  let seenAtMs: number | undefined;
  /** Since when, or since the last comparison, the counters prove nothing. */
  let doubtAtMs: number | undefined;
  let status: SyncStatus | undefined;
  let wakeUp: AbortController | undefined;
  const deaths = new Set<string>();
  let revivals = 0;
  let notBeforeMs = -Infinity;
  let nudgeAtMs = -Infinity;

  function say(inSync: boolean, problem?: string): void {
    if (status?.inSync === inSync && status.problem === problem) return;
    const sinceMs = status?.inSync === inSync ? status.sinceMs : clock.wallMs();
    status = { inSync, sinceMs, ...(problem === undefined ? {} : { problem }) };
    report({ kind: 'sync', status });
  }

  async function look(): Promise<void> {
    const before = proof;
    if (before === undefined) return;
    let metrics: PrometheusMetrics;
    try {
      metrics = readMetrics(await client.metrics(), targetsFile);
      isReachable = true;
    } catch (error) {
      // What is in a Prometheus that does not answer is unknown; one that is just being restarted is no problem yet.
      isReachable = false;
      unreadSinceMs = undefined;
      unsureSinceMs ??= clock.nowMs();
      say(false, isLate() ? `Prometheus does not answer: ${errorText(error)}` : undefined);
      return;
    }
    if (isOvertaken(before)) return;
    let after = observe(before, metrics);
    if (after.progress !== 'applied' && mayBeApplied(after, metrics) && (await isTheSame())) after = applied(after);
    if (isOvertaken(before)) return;
    proof = after;
    if (after.progress === 'applied') loaded();
    else notApplied(after, metrics);
  }

  /** Whether another version was, or is just being, written meanwhile: then an observation of this one proves nothing. */
  function isOvertaken(looked: Proof): boolean {
    return proof !== looked || isReplacing;
  }

  /** Whether the counters prove nothing for some time, so that the targets are to be compared; not more often than that time. */
  function mayBeApplied({ progress }: Proof, { mtimeSeconds }: PrometheusMetrics): boolean {
    if (progress !== 'read' && mtimeSeconds !== undefined) return false;
    doubtAtMs ??= clock.nowMs();
    if (clock.nowMs() - doubtAtMs < COMPARE_AFTER_MS) return false;
    doubtAtMs = clock.nowMs();
    return true;
  }

  function loaded(): void {
    doubtAtMs = undefined;
    unsureSinceMs = undefined;
    unreadSinceMs = undefined;
    if (seenAtMs !== undefined) report({ kind: 'loaded', durationMs: clock.nowMs() - seenAtMs });
    seenAtMs = undefined;
    revivals = 0;
    say(true);
  }

  function notApplied(after: Proof, metrics: PrometheusMetrics): void {
    unsureSinceMs ??= clock.nowMs();
    const reason = after.progress === 'read' ? 'it has read the file, but not applied it' : 'it has not read the file';
    const isLong = after.progress === 'read' ? isLate(UNPROVEN_AFTER_MS) : isLate();
    if (isLong) say(false, `Prometheus has not loaded the last targets: ${reason}`);
    else say(false);
    reviveDead(after, metrics);
    nudge(after);
  }

  /** A Prometheus that has its configuration but did not read this version, because it cannot watch, or for too long. */
  function reviveDead({ progress }: Proof, metrics: PrometheusMetrics): void {
    // Versions may follow each other so fast that none is seen to be read while it is the last.
    const hasReadAnother = metrics.mtimeSeconds !== undefined && metrics.mtimeSeconds !== readSeconds;
    readSeconds = metrics.mtimeSeconds ?? readSeconds;
    // Before its configuration is loaded, while it replays its log, it reads nothing, and is not dead.
    if (progress !== 'not_read' || hasReadAnother || metrics.configSuccessful !== true) {
      unreadSinceMs = undefined;
      return;
    }
    const nowMs = clock.nowMs();
    unreadSinceMs ??= nowMs;
    const death = `${metrics.startSeconds ?? 0} ${metrics.watcherErrors}`;
    // The file's time vanishes for a moment when it shrinks: errors of an earlier death say nothing then.
    const cannotWatch = metrics.mtimeSeconds === undefined && metrics.watcherErrors > 0 && !deaths.has(death);
    if (!cannotWatch && nowMs - unreadSinceMs < DEAD_AFTER_MS) return;
    if (nowMs < notBeforeMs) return;
    deaths.add(death);
    unreadSinceMs = undefined;
    notBeforeMs = nowMs + Math.min(LAST_REVIVAL_WAIT_MS, FIRST_REVIVAL_WAIT_MS * 2 ** revivals++);
    report({
      kind: 'dead',
      reason: cannotWatch
        ? 'it cannot watch files (inotify was exhausted)'
        : `it has not read the target file for ${DEAD_AFTER_MS / 1000} s`,
    });
    onDead();
  }

  /** Of many targets, only syncs that follow more reads prove something, and a lone change has but one. */
  function nudge({ progress }: Proof): void {
    if (progress !== 'read' || !isLate() || clock.nowMs() < nudgeAtMs) return;
    nudgeAtMs = clock.nowMs() + NUDGE_EVERY_MS;
    onUnproven();
  }

  function isLate(afterMs = LATE_AFTER_MS): boolean {
    return unsureSinceMs !== undefined && clock.nowMs() - unsureSinceMs >= afterMs;
  }

  /** Whether Prometheus' targets are exactly the groups; false also when that cannot be found out. */
  async function isTheSame(): Promise<boolean> {
    if (groups.length > MOST_COMPARED) return false;
    try {
      return sameTargets(groups, await client.targets(), scrape());
    } catch {
      return false;
    }
  }

  function nextLookMs(): number {
    if (proof === undefined || unsureSinceMs === undefined) return LOOK_AGAIN_EVERY_MS;
    return isReachable && clock.nowMs() - unsureSinceMs < FRESH_MS ? LOOK_EVERY_MS : LOOK_LATE_EVERY_MS;
  }

  return {
    replacing() {
      isReplacing = true;
      say(false, status?.problem);
    },
    lookAgain() {
      isReplacing = false;
      wakeUp?.abort();
    },
    written(version) {
      isReplacing = false;
      if (proof?.version.seconds === version.seconds) return;
      proof = beginProof({ seconds: version.seconds, targets: version.groups.length }, proof);
      groups = version.groups;
      // A Prometheus that has been out of reach, or late, for some time still is.
      unsureSinceMs ??= clock.nowMs();
      seenAtMs ??= version.seenAtMs;
      doubtAtMs = undefined;
      say(false, status?.problem);
      wakeUp?.abort();
    },
    status: () => status,
    async run(signal) {
      const isStopped = (): boolean => signal.aborted;
      while (!isStopped()) {
        await look().catch((error: unknown) => {
          say(false, `an error in the agent itself: ${errorText(error)}`);
        });
        wakeUp = new AbortController();
        await clock.sleep(nextLookMs(), AbortSignal.any([signal, wakeUp.signal]));
      }
    },
  };
}

/** Whether the active targets of apps are these groups: as many, and each group's address and very labels among them. */
function sameTargets(groups: readonly TargetGroup[], active: readonly TargetHealth[], scrape: ScrapeDefaults): boolean {
  const found = active.flatMap(({ discovered }) => (discovered[APP_LABEL] === undefined ? [] : [keyOf(discovered)]));
  const wanted = groups.map(({ targets: [address], labels }) =>
    keyOf({
      __address__: address,
      __scheme__: 'http',
      __metrics_path__: '/metrics',
      __scrape_interval__: formatDuration(scrape.intervalMs),
      __scrape_timeout__: formatDuration(scrape.timeoutMs),
      ...labels,
    }),
  );
  return found.length === wanted.length && found.sort().join('\n') === wanted.sort().join('\n');
}

/** The labels that this agent gives targets, or leaves at their defaults; versions of Prometheus add others. */
const OWN_LABEL = /^__(address|scheme|metrics_path|scrape_interval|scrape_timeout|param_.*|meta_tsuru_.*)(__)?$/;

/** The identity of a target before relabelling. */
function keyOf(labels: Readonly<Record<string, unknown>>): string {
  const own = Object.entries(labels).filter(([name]) => OWN_LABEL.test(name));
  return JSON.stringify(own.sort(([a], [b]) => compareText(a, b)));
}
