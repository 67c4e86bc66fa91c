import { formatDuration } from '../shared/duration.ts';
import type { Troubles } from '../system/troubles.ts';
import type { FailureKind, Observation } from './observation.ts';
import { endText, failureText, moreText, type FailureEnd } from './sentences.ts';

/** Only what fails for this long, and more than once, is reported: a receiver that restarts is away for less. */
const REPORTED_AFTER_MS = 60_000;
/** What was not tried for this long fails no longer. Prometheus sends firing alerts each minute, and resolved ones for 15 minutes more. */
const QUIET_MS = 20 * 60_000;
/** Metrics of what is configured may be missing so long after Prometheus has started: Alertmanagers are found after 5 s. */
const GONE_MS = 60_000;
/** This many of a kind are reported one by one: one cause can fail hundreds of rules. */
const MOST_REPORTED = 5;
const NO_ERROR = "Prometheus' log has the reason";

/** Something that fails, from its first failure on. */
interface OngoingFailure {
  readonly name: string;
  readonly error: string;
  readonly times: number;
  /** When it was first seen to fail: by the wall clock, and by one that only goes forward. */
  readonly sinceMs: number;
  readonly beganAtMs: number;
  readonly failedAtMs: number;
  readonly seenAtMs: number;
}

export interface OngoingFailuresOptions {
  readonly troubles: Troubles;
  readonly wallMs: () => number;
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
  /** A new failure was seen. */
  readonly onFailure: (kind: FailureKind, name: string) => void;
  /** This many of this kind are reported as failing now. */
  readonly onFailing: (kind: FailureKind, number: number) => void;
}

/** What fails now, by kind: reported once it lasts, until it works again. */
export interface OngoingFailures {
  /** All of a kind that Prometheus shows at present: what fails and is not among them is gone soon. */
  observe(kind: FailureKind, observations: readonly Observation[]): void;
  /** Whether one of this kind fails, reported or not. */
  isOpen(kind: FailureKind): boolean;
}

export function createOngoingFailures({
  troubles,
  wallMs,
  nowMs,
  onFailure,
  onFailing,
}: OngoingFailuresOptions): OngoingFailures {
  const kinds = new Map<FailureKind, Map<string, OngoingFailure>>();

  function failuresOf(kind: FailureKind): Map<string, OngoingFailure> {
    const failing = kinds.get(kind) ?? new Map<string, OngoingFailure>();
    kinds.set(kind, failing);
    return failing;
  }

  function end(kind: FailureKind, key: string, failure: OngoingFailure, why: FailureEnd): void {
    failuresOf(kind).delete(key);
    troubles.end(troubleOf(kind, key), endText(kind, failure.name, why, formatDuration(QUIET_MS)));
  }

  function take(kind: FailureKind, { key, name, verdict, isNew, error }: Observation): void {
    const failing = failuresOf(kind);
    const before = failing.get(key);
    const atMs = nowMs();
    if (verdict === 'works') {
      if (before !== undefined) end(kind, key, before, 'works');
      return;
    }
    if (verdict === 'idle') {
      if (before !== undefined) failing.set(key, { ...before, seenAtMs: atMs });
      return;
    }
    const isCounted = isNew || before === undefined;
    if (isCounted) onFailure(kind, name);
    failing.set(key, {
      name,
      error: error ?? before?.error ?? NO_ERROR,
      times: (before?.times ?? 0) + (isCounted ? 1 : 0),
      sinceMs: before?.sinceMs ?? wallMs(),
      beganAtMs: before?.beganAtMs ?? atMs,
      failedAtMs: atMs,
      seenAtMs: atMs,
    });
  }

  /** The oldest first, as they stay in that order. */
  function tell(kind: FailureKind): void {
    const lasting = [...failuresOf(kind)].filter(
      ([, { times, beganAtMs }]) => times > 1 && nowMs() - beganAtMs >= REPORTED_AFTER_MS,
    );
    for (const [key, { name, error, sinceMs }] of lasting.slice(0, MOST_REPORTED)) {
      const fields = { kind, since: new Date(sinceMs).toISOString() };
      troubles.begin(troubleOf(kind, key), failureText(kind, name, error), fields, sinceMs);
    }
    const more = lasting.length - MOST_REPORTED;
    if (more > 0) troubles.begin(troubleOf(kind), moreText(kind, more), { kind });
    else troubles.end(troubleOf(kind), `each that still fails is named (${kind})`);
    onFailing(kind, lasting.length);
  }

  return {
    observe(kind, observations) {
      for (const observation of observations) take(kind, observation);
      for (const [key, failure] of failuresOf(kind)) {
        if (nowMs() - failure.seenAtMs >= GONE_MS) end(kind, key, failure, 'gone');
        else if (nowMs() - failure.failedAtMs >= QUIET_MS) end(kind, key, failure, 'quiet');
      }
      tell(kind);
    },
    isOpen: (kind) => failuresOf(kind).size > 0,
  };
}

function troubleOf(kind: FailureKind, key?: string): string {
  return `failing ${kind}${key === undefined ? '' : ` ${key}`}`;
}
