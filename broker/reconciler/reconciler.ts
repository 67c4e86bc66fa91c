import pMap from 'p-map';
import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { perform } from './acts.ts';
import { decide, NO_MEMORY, type Act } from './decide.ts';
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
  const { clock, log, metrics, service } = context;
  let memory = NO_MEMORY;
  let slow: Promise<unknown> | undefined;

  async function round(): Promise<void> {
    const facts = await gatherRound(context, signal);
    const decision = decide(facts, memory, service, clock.nowMs(), context.authorities);
    tell(facts, decision.unknown);
    memory = decision.memory;
    const grants = decision.acts.filter(isOfGrants);
    for (const act of grants) await performOne(context, act, signal);
    if (decision.postponed > 0)
      log.warn({ parts: decision.postponed }, `${decision.postponed} more leftovers are removed in later rounds`);
    // They may take minutes, and the next round's grants must not: those of the next round begin when these have ended.
    const others = decision.acts.filter((act) => !isOfGrants(act));
    slow ??= pMap(others, (act) => performOne(context, act, signal), { concurrency: ACTS_AT_ONCE }).then(() => {
      slow = undefined;
    });
    const isUnknown = decision.unknown !== undefined || facts.troubles.length > 0;
    metrics.reconciled(isUnknown ? 'unknown' : 'succeeded', memory.leftovers.size);
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
    metrics.reconciled('failed', memory.leftovers.size);
  }

  while (!signal.aborted) {
    await round().catch(tellFailure);
    await clock.sleep(EVERY_MS + clock.random() * JITTER_MS, signal);
  }
  await slow;
}

function isOfGrants({ kind }: Act): boolean {
  return kind === 'revoke' || kind === 'grant';
}

async function performOne(context: Context, act: Act, signal: AbortSignal): Promise<void> {
  const { log, metrics } = context;
  const { kind, instance } = act;
  try {
    signal.throwIfAborted();
    const done = await perform(context, act, signal);
    if (done === undefined) return;
    metrics.acted(kind, 'succeeded');
    log.info({ instance, act: kind }, done);
  } catch (error) {
    if (signal.aborted) return;
    metrics.acted(kind, 'failed');
    log.warn(
      { instance, act: kind, reason: errorText(error) },
      `could not put right the instance ${instance} (${kind})`,
    );
  }
}
