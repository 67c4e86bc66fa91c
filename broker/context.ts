import type { Log } from '../agent/shared/log.ts';
import type { TsuruWriter } from '../agent/shared/tsuru.ts';
import type { Clock } from '../agent/shared/clock.ts';
import type { Grants } from './tsuru/grants.ts';
import type { Deploys } from './tsuru/deploys.ts';
import type { AssertRules } from './instances/rules.ts';
import type { Metrics } from './metrics.ts';
import type { Plan } from './plans/plan.ts';
import type { Turns } from './tsuru/turns.ts';

/** What all operations work with. */
export interface Context {
  readonly tsuru: TsuruWriter;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly turns: Turns;
  readonly grants: Grants;
  readonly deploys: Deploys;
  readonly assertRules: AssertRules;
  /**
   * Has the agent of an instance poll at once, and returns before that. The details of these apps are requested again; without apps, the
   * agent requests the list alone.
   */
  readonly poke: (instance: string, apps: readonly string[]) => void;
  /** Pokes the instances that an app is bound to, and returns before anything is asked of Tsuru; false if too many apps wait. */
  readonly takeEvent: (app: string) => boolean;
  /** Aborted, with what users are reported, shortly before the broker has to end. */
  readonly ending: AbortSignal;
  readonly plans: readonly Plan[];
  /** The name that Tsuru knows this service by. */
  readonly service: string;
  readonly image: string;
  /** The private CAs that instances are to trust, in PEM; '': they trust what their owners say. */
  readonly authorities: string;
  /** Where instances run of which neither plan nor user nor Tsuru says it; '': Tsuru's default. */
  readonly pool: string;
  /** How an instance is reached: `{address}` is its router's address, `{unit}` host and port of its unit. */
  readonly instanceUrl: string;
}
