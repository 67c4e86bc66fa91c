import type { Clock } from '../../agent/shared/clock.ts';
import type { Log } from '../../agent/shared/log.ts';
import { errorText } from '../../agent/shared/text.ts';
import type { TsuruWriter } from '../../agent/shared/tsuru.ts';
import type { Context } from '../context.ts';
import type { Metrics, PokeOutcome } from '../metrics.ts';
import { namesOf } from '../names.ts';
import { createApi } from '../tsuru/api.ts';
import { createCoalescer } from '../tsuru/coalescer.ts';
import { ACCESS_VARIABLES, placeOf, postToInstance } from './agent-request.ts';
import { isOwn } from './parts/instance.ts';

/** The agent answers before it polls: in milliseconds, unless it hangs. */
const AGENT_LIMIT_MS = 2_000;
/** For the instance's address and password: Tsuru asks a cluster for them. */
const TSURU_LIMIT_MS = 10_000;
/** Agents that are poked at once, so that operations of users find a connection to Tsuru. */
const AT_ONCE = 8;
/** Instances that wait to be poked. Their next poll brings the change where there is no room. */
const MOST_INSTANCES = 1_000;
/** How long pokes may take when the broker stops. */
const STOP_LIMIT_MS = 2_000;

/** Has agents poll at once what is new for them. Polling stays the truth: a poke that fails costs seconds, no target. */
export interface Pokes {
  readonly poke: Context['poke'];
  /** Takes no more pokes, and waits for those that are left, for a moment. */
  stop(): Promise<void>;
}

export interface PokesOptions {
  readonly tsuru: TsuruWriter;
  readonly service: string;
  readonly instanceUrl: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'poked'>;
}

export function createPokes({ tsuru, service, instanceUrl, clock, log, metrics }: PokesOptions): Pokes {
  const ending = new AbortController();
  let isStopping = false;
  const { signal } = ending;
  const pokes = createCoalescer({
    ...{ work, atOnce: AT_ONCE, most: MOST_INSTANCES, clock, signal },
    // The agent itself polls at most once a second.
    pauseMs: 0,
  });

  async function work(instance: string, apps: ReadonlySet<string>): Promise<void> {
    let outcome: PokeOutcome = 'failed';
    try {
      outcome = await pokeAgent(instance, apps);
    } catch (error) {
      log.debug(
        { instance, apps: [...apps], reason: errorText(error) },
        'failed to poke an agent: its next poll follows',
      );
    }
    metrics.poked(outcome);
  }

  async function pokeAgent(instance: string, apps: ReadonlySet<string>): Promise<'succeeded' | 'skipped'> {
    const id = { service, instance };
    const { part } = namesOf(id);
    const api = createApi(tsuru, AbortSignal.any([signal, AbortSignal.timeout(TSURU_LIMIT_MS)]));
    const [app, env] = await Promise.all([api.app(part), api.env(part, ACCESS_VARIABLES)]);
    const place = app !== undefined && isOwn({ id }, app) ? placeOf(instanceUrl, app, env) : undefined;
    if (place === undefined) return 'skipped';
    const limit = AbortSignal.any([signal, AbortSignal.timeout(AGENT_LIMIT_MS)]);
    const { status } = await postToInstance(place, '/tsuru/poll', { apps: [...apps] }, limit);
    if (status !== 202) throw new Error(`the agent answered ${status}`);
    return 'succeeded';
  }

  return {
    poke(instance, apps) {
      if (isStopping || !pokes.add(instance, apps)) metrics.poked('dropped');
    },
    async stop() {
      isStopping = true;
      const limit = new AbortController();
      const idle = pokes.idle();
      await Promise.race([idle, clock.sleep(STOP_LIMIT_MS, limit.signal)]);
      limit.abort();
      ending.abort(new Error('the broker stops'));
      await idle;
    },
  };
}
