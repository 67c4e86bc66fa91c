import pMap from 'p-map';
import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import type { Act } from './act.ts';
import { perform } from './acts.ts';
import { decide, NO_MEMORY, type Decision, type Memory } from './decide.ts';
import { gatherRound, type RoundFacts } from './facts.ts';

/** Another team's app must not be read for longer than two minutes: two rounds, each with its requests. */
const EVERY_MS = 50_000;
/** Brokers that started at once drift apart. */
const JITTER_MS = 5_000;
/** This many problems of one round are reported: all instances may have the same. */
const TOLD_TROUBLES = 3;
/** Acts that no round waits for, at once. */
const ACTS_AT_ONCE = 8;

/**
 * Compares what Tsuru knows of this service's instances with their parts, and puts right what differs, every minute until the signal. Two
 * brokers at once do no harm: each act looks again before it changes anything. Never restarts a unit; never rejects.
 */
export async function runReconciler(context: Context, signal: AbortSignal): Promise<void> {
  const { clock, log, metrics } = context;
  let memory = NO_MEMORY;
  let slow: Promise<unknown> | undefined;

  async function round(): Promise<void> {
    const { facts, decision } = await planRound(context, memory, signal);
    tell(facts, decision.unknown);
    memory = decision.memory;
    const grants = decision.acts.filter(isOfGrants);
    for (const act of grants) await performOne(context, act, signal);
    const postponed = decision.postponed.length;
    if (postponed > 0) log.warn({ parts: postponed }, `${postponed} more leftovers are removed in later rounds`);
    // They may take minutes, and the next round's grants must not: those of the next round begin when these have ended.
    const others = decision.acts.filter((act) => !isOfGrants(act));
    slow ??= pMap(others, (act) => performOne(context, act, signal), { concurrency: ACTS_AT_ONCE }).then(() => {
      slow = undefined;
    });
    const isUnknown = decision.unknown !== undefined || facts.troubles.length > 0;
    metrics.reconciled(isUnknown ? 'unknown' : 'succeeded', memory.leftovers.size, postponed);
  }

  function tell({ troubles }: RoundFacts, unknown: string | undefined): void {
    if (unknown !== undefined)
      log.warn({ reason: unknown }, 'the instances were not compared with Tsuru: nothing is changed');
    for (const reason of troubles.slice(0, TOLD_TROUBLES))
      log.warn({ reason, troubles: troubles.length }, 'a part of the comparison with Tsuru has to wait');
  }

  function tellFailure(error: unknown): void {
    if (signal.aborted) return;
    const reason = errorText(error);
    log.warn({ reason }, 'the instances were not compared with Tsuru: it is tried again in a minute');
    metrics.reconciled('failed', memory.leftovers.size, 0);
  }

  while (!signal.aborted) {
    await round().catch(tellFailure);
    await clock.sleep(EVERY_MS + clock.random() * JITTER_MS, signal);
  }
  await slow;
}

/** How an act went. */
export interface Outcome {
  readonly kind: 'done' | 'failed';
  readonly text: string;
}

/** What a round would do; changes nothing. */
export async function planRound(
  context: Context,
  memory: Memory,
  signal: AbortSignal,
): Promise<{ readonly facts: RoundFacts; readonly decision: Decision }> {
  const { service, clock, authorities } = context;
  const facts = await gatherRound(context, signal);
  return { facts, decision: decide(facts, memory, { service, nowMs: clock.nowMs(), authorities }) };
}

function isOfGrants({ kind }: Act): boolean {
  return kind === 'revoke' || kind === 'grant';
}

/** Performs an act, and logs and counts how it went; never rejects. Returns what was done, or why it failed; undefined if nothing was to do. */
export async function performOne(context: Context, act: Act, signal: AbortSignal): Promise<Outcome | undefined> {
  const { log, metrics } = context;
  const { kind, instance } = act;
  try {
    signal.throwIfAborted();
    const done = await perform(context, act, signal);
    if (done === undefined) return undefined;
    metrics.acted(kind, 'succeeded');
    log.info({ instance, act: kind }, done);
    return { kind: 'done', text: done };
  } catch (error) {
    if (signal.aborted) return undefined;
    const reason = errorText(error);
    metrics.acted(kind, 'failed');
    log.warn({ instance, act: kind, reason }, `could not put right the instance ${instance} (${kind})`);
    return { kind: 'failed', text: reason };
  }
}
