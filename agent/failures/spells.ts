import { formatDuration } from '../shared/duration.ts';
import type { Troubles } from '../system/troubles.ts';
import type { FailureKind, Observation } from './observation.ts';
import { endText, failureText, moreText, type FailureEnd } from './sentences.ts';

/** Only what fails for so long, and more than once, is told: a receiver that restarts is away for less. */
const PATIENCE_MS = 60_000;
/** What was not tried for so long fails no longer. Prometheus sends firing alerts each minute, and resolved ones for 15 minutes more. */
const QUIET_MS = 20 * 60_000;
/** Metrics of what is configured may be missing so long after Prometheus has started: Alertmanagers are found after 5 s. */
const GONE_MS = 60_000;
/** So many of a kind are told one by one: one cause can fail hundreds of rules. */
const MOST_TOLD = 5;
const NO_ERROR = "Prometheus' log has the reason";

/** Something that fails, from its first failure on. */
interface Spell {
  readonly name: string;
  readonly error: string;
  readonly times: number;
  /** When it was first seen to fail: by the wall clock, and by one that only goes forward. */
  readonly sinceMs: number;
  readonly beganAtMs: number;
  readonly failedAtMs: number;
  readonly seenAtMs: number;
}

export interface SpellsOptions {
  readonly troubles: Troubles;
  readonly wallMs: () => number;
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
  /** A new failure was seen. */
  readonly onFailure: (kind: FailureKind, name: string) => void;
  /** So many of this kind are told to fail at present. */
  readonly onFailing: (kind: FailureKind, number: number) => void;
}

/** What fails at present, by kind: told once it lasts, until it works again. */
export interface Spells {
  /** All of a kind that Prometheus shows at present: what fails and is not among them is gone soon. */
  observe(kind: FailureKind, observations: readonly Observation[]): void;
  /** Whether one of this kind fails, told or not. */
  isOpen(kind: FailureKind): boolean;
}

export function createSpells({ troubles, wallMs, nowMs, onFailure, onFailing }: SpellsOptions): Spells {
  const kinds = new Map<FailureKind, Map<string, Spell>>();

  function spellsOf(kind: FailureKind): Map<string, Spell> {
    const spells = kinds.get(kind) ?? new Map<string, Spell>();
    kinds.set(kind, spells);
    return spells;
  }

  function end(kind: FailureKind, key: string, spell: Spell, why: FailureEnd): void {
    spellsOf(kind).delete(key);
    troubles.end(troubleOf(kind, key), endText(kind, spell.name, why, formatDuration(QUIET_MS)));
  }

  function take(kind: FailureKind, { key, name, verdict, isNew, error }: Observation): void {
    const spells = spellsOf(kind);
    const before = spells.get(key);
    const atMs = nowMs();
    if (verdict === 'works') {
      if (before !== undefined) end(kind, key, before, 'works');
      return;
    }
    if (verdict === 'idle') {
      if (before !== undefined) spells.set(key, { ...before, seenAtMs: atMs });
      return;
    }
    const isCounted = isNew || before === undefined;
    if (isCounted) onFailure(kind, name);
    spells.set(key, {
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
    const lasting = [...spellsOf(kind)].filter(
      ([, { times, beganAtMs }]) => times > 1 && nowMs() - beganAtMs >= PATIENCE_MS,
    );
    for (const [key, { name, error, sinceMs }] of lasting.slice(0, MOST_TOLD)) {
      const fields = { kind, since: new Date(sinceMs).toISOString() };
      troubles.begin(troubleOf(kind, key), failureText(kind, name, error), fields, sinceMs);
    }
    const more = lasting.length - MOST_TOLD;
    if (more > 0) troubles.begin(troubleOf(kind), moreText(kind, more), { kind });
    else troubles.end(troubleOf(kind), `each that still fails is named (${kind})`);
    onFailing(kind, lasting.length);
  }

  return {
    observe(kind, observations) {
      for (const observation of observations) take(kind, observation);
      for (const [key, spell] of spellsOf(kind)) {
        if (nowMs() - spell.seenAtMs >= GONE_MS) end(kind, key, spell, 'gone');
        else if (nowMs() - spell.failedAtMs >= QUIET_MS) end(kind, key, spell, 'quiet');
      }
      tell(kind);
    },
    isOpen: (kind) => spellsOf(kind).size > 0,
  };
}

function troubleOf(kind: FailureKind, key?: string): string {
  return `failing ${kind}${key === undefined ? '' : ` ${key}`}`;
}
