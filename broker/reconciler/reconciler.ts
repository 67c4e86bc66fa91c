import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { createApi } from '../tsuru/api.ts';
import { perform } from './acts.ts';
import { decide, NO_MEMORY, type Act, type Memory } from './decide.ts';
import { gatherRound } from './facts.ts';

/** Another team's app must not be read for longer than two minutes: two rounds, each with its requests. */
const EVERY_MS = 55_000;
/** Brokers that started at once drift apart. */
const JITTER_MS = 5_000;
/** The reads of a round together: Tsuru may wait 10 s for a cluster. */
const GATHER_LIMIT_MS = 60_000;

/**
 * Compares what Tsuru knows of this service's instances with their parts, and puts right what differs, every minute until the signal. Two
 * brokers at once do no harm: each act looks again before it changes anything. Never restarts a unit; never rejects.
 */
export async function runReconciler(context: Context, signal: AbortSignal): Promise<void> {
  let memory = NO_MEMORY;
  while (!signal.aborted) {
    memory = await round(context, memory, signal);
    await context.clock.sleep(EVERY_MS + context.clock.random() * JITTER_MS, signal).catch(() => undefined);
  }
}

async function round(context: Context, memory: Memory, signal: AbortSignal): Promise<Memory> {
  const { clock, log, metrics, service } = context;
  try {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(GATHER_LIMIT_MS)]);
    const facts = await gatherRound(createApi(context.tsuru, limited), service);
    const decision = decide(facts, memory, service, clock.nowMs());
    if (decision.unknown !== undefined)
      log.warn({ reason: decision.unknown }, 'the instances were not compared with Tsuru: nothing is changed');
    if (decision.postponed > 0)
      log.warn({ parts: decision.postponed }, `${decision.postponed} more leftovers are removed in later rounds`);
    for (const act of decision.acts) await performOne(context, act, signal);
    metrics.reconciled(decision.unknown === undefined ? 'succeeded' : 'unknown', decision.memory.leftovers.size);
    return decision.memory;
  } catch (error) {
    if (signal.aborted) return memory;
    log.warn({ reason: errorText(error) }, 'the instances were not compared with Tsuru: it is tried again in a minute');
    metrics.reconciled('failed', memory.leftovers.size);
    return memory;
  }
}

async function performOne(context: Context, act: Act, signal: AbortSignal): Promise<void> {
  const { log, metrics } = context;
  const { kind, instance } = act;
  try {
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
