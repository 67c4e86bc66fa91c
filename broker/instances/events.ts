import type { Clock } from '../../agent/shared/clock.ts';
import type { Log } from '../../agent/shared/log.ts';
import { errorText } from '../../agent/shared/text.ts';
import type { TsuruWriter } from '../../agent/shared/tsuru.ts';
import type { Context } from '../context.ts';
import { createApi } from '../tsuru/api.ts';
import { createCoalescer } from '../tsuru/coalescer.ts';

/** Between two looks for the instances of one app: a deploy ends with several events in a row. */
const PAUSE_MS = 300;
/** Requests to Tsuru at once: events of a whole platform must not be a burden for it. */
const AT_ONCE = 4;
/** Apps that wait. What does not fit comes with the next polls. */
const MOST_APPS = 1_000;
const TSURU_LIMIT_MS = 10_000;

/** Pokes the instances of apps that changed in Tsuru. */
export interface Events {
  /** Returns before anything is asked of Tsuru; false if too many apps wait. */
  readonly take: Context['takeEvent'];
  /** Drops what waits, and resolves once nothing is under way. */
  stop(): Promise<void>;
}

export interface EventsOptions {
  readonly tsuru: TsuruWriter;
  readonly service: string;
  readonly poke: Context['poke'];
  readonly clock: Clock;
  readonly log: Log;
}

export function createEvents({ tsuru, service, poke, clock, log }: EventsOptions): Events {
  const ending = new AbortController();
  const { signal } = ending;

  async function pokeInstancesOf(app: string): Promise<void> {
    try {
      const api = createApi(tsuru, AbortSignal.any([signal, AbortSignal.timeout(TSURU_LIMIT_MS)]));
      for (const instance of await api.instancesOfApp(service, app)) poke(instance, [app]);
    } catch (error) {
      log.debug({ boundApp: app, reason: errorText(error) }, 'failed to find the instances of an app that changed');
    }
  }

  const events = createCoalescer({
    ...{ work: pokeInstancesOf, atOnce: AT_ONCE, most: MOST_APPS, pauseMs: PAUSE_MS, clock, signal },
  });
  return {
    take: (app) => events.add(app),
    async stop() {
      ending.abort(new Error('the broker stops'));
      await events.idle();
    },
  };
}
