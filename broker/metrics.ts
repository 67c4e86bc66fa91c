import type { Registry } from 'prom-client';
import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import { VERSION } from '../agent/shared/version.ts';

/** What the reconciler puts right, the most urgent first. */
export const ACTS = [
  'revoke',
  'grant',
  'confirm_binds',
  'restore_app',
  'restore_settings',
  'restore_volume',
  'restore_token',
  'restore_variables',
  'deploy',
  'remove',
] as const;
export type ActKind = (typeof ACTS)[number];

const PREFIX = 'tsuru_broker_';
/** From a plan list to a change of plan, which waits for new units, in seconds. */
const DURATION_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

export interface Metrics {
  /** The route as it is written (`/resources/:name`), never a path from outside; `none`, as the method, of what was no whole request. */
  requested(method: string, route: string, status: number, durationMs: number): void;
  readonly called: (call: string, status: string) => void;
  grantWaits(change: 1 | -1): void;
  readonly grantRetried: () => void;
  deployed(outcome: DeployOutcome): void;
  /** A round of the reconciler has ended; this many instances that Tsuru does not know have parts, and so many parts wait for a later round. */
  reconciled(outcome: RoundOutcome, leftovers: number, postponed: number): void;
  readonly poked: (outcome: PokeOutcome) => void;
  acted(act: ActKind, outcome: 'succeeded' | 'failed'): void;
}

const DEPLOY_OUTCOMES = ['succeeded', 'failed', 'unknown'] as const;
export type DeployOutcome = (typeof DEPLOY_OUTCOMES)[number];
const ROUND_OUTCOMES = ['succeeded', 'failed', 'unknown'] as const;
export type RoundOutcome = (typeof ROUND_OUTCOMES)[number];

/** Skipped: the instance has no unit that is ready. Dropped: too many waited, or the broker stops. */
const POKE_OUTCOMES = ['succeeded', 'failed', 'skipped', 'dropped'] as const;
export type PokeOutcome = (typeof POKE_OUTCOMES)[number];

export function createMetrics(registry: Registry): Metrics {
  const registers = [registry];
  const requests = new Counter({
    name: `${PREFIX}requests_total`,
    help: 'Requests by method, route and status.',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: `${PREFIX}request_duration_seconds`,
    help: 'How long requests took, by method and route.',
    labelNames: ['method', 'route'],
    buckets: DURATION_BUCKETS,
    registers,
  });
  const calls = new Counter({
    name: `${PREFIX}api_requests_total`,
    help: 'Requests to the Tsuru API by call and status; a failure without a status by its reason.',
    labelNames: ['call', 'status'],
    registers,
  });
  const waiting = new Gauge({
    name: `${PREFIX}grants_waiting`,
    help: 'Grants that are being made or wait for their turn.',
    registers,
  });
  const retried = new Counter({
    name: `${PREFIX}grant_retries_total`,
    help: 'Grants repeated because Tsuru had locked the role, or had lost the grant.',
    registers,
  });
  const deploys = new Counter({
    name: `${PREFIX}deploys_total`,
    help: 'Deploys of instances by outcome; unknown when this broker stopped before they ended.',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of DEPLOY_OUTCOMES) deploys.inc({ outcome }, 0);
  const rounds = new Counter({
    name: `${PREFIX}reconciler_rounds_total`,
    help: 'Rounds of the reconciler by outcome; unknown when the list of instances says nothing.',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of ROUND_OUTCOMES) rounds.inc({ outcome }, 0);
  const lastRound = new Gauge({
    name: `${PREFIX}reconciler_last_success_timestamp_seconds`,
    help: 'Time of the last round of the reconciler that succeeded.',
    registers,
  });
  const acts = new Counter({
    name: `${PREFIX}reconciler_acts_total`,
    help: 'What the reconciler put right, by act and outcome.',
    labelNames: ['act', 'outcome'],
    registers,
  });
  for (const act of ACTS) for (const outcome of ['succeeded', 'failed']) acts.inc({ act, outcome }, 0);
  const pokes = new Counter({
    name: `${PREFIX}pokes_total`,
    help: 'Agents that were asked to poll at once, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of POKE_OUTCOMES) pokes.inc({ outcome }, 0);
  const leftovers = new Gauge({
    name: `${PREFIX}reconciler_leftovers`,
    help: 'Instances that Tsuru does not know and that have parts left.',
    registers,
  });
  const waitingRemovals = new Gauge({
    name: `${PREFIX}reconciler_postponed_removals`,
    help: 'Parts of unknown instances that are removed in later rounds.',
    registers,
  });
  new Gauge({ name: `${PREFIX}info`, help: 'The version.', labelNames: ['version'], registers }).set(
    { version: VERSION },
    1,
  );
  return {
    requested(method, route, status, durationMs) {
      requests.inc({ method, route, status: String(status) });
      durations.observe({ method, route }, durationMs / 1000);
    },
    called: (call, status) => {
      calls.inc({ call, status });
    },
    grantWaits: (change) => {
      waiting.inc(change);
    },
    grantRetried: () => {
      retried.inc();
    },
    deployed: (outcome) => {
      deploys.inc({ outcome });
    },
    poked: (outcome) => {
      pokes.inc({ outcome });
    },
    reconciled(outcome, left, postponed) {
      rounds.inc({ outcome });
      leftovers.set(left);
      waitingRemovals.set(postponed);
      if (outcome === 'succeeded') lastRound.setToCurrentTime();
    },
    acted(act, outcome) {
      acts.inc({ act, outcome });
    },
  };
}
