import { LIVE_SHARE } from './budget.ts';

/** How many queries run at once, and how many samples each holds at most. */
export interface QueryLimits {
  /** For `--query.max-samples`. */
  readonly maxSamples: number;
  /** For `--query.max-concurrency`: those of users and one of the rules. */
  readonly atOnce: number;
  /** Those of users: the gateway lets no more in. */
  readonly ofUsers: number;
}

/**
 * Memory for a sample of a query: 16 to 24 bytes in the result, 31 as JSON text, and that text once or twice more while its buffer grows.
 * Measured with 2,000 series at 500 to 5,000 steps, alone and four at once, in 200 MiB of GOMEMLIMIT: 52 to 98 bytes (2.42), 44 to 85 (3.14);
 * without a long answer (a subquery, a sum) 21 to 40.
 */
const BYTES_PER_SAMPLE = 100;
/**
 * This many queries at once as are this large each, and as many times larger as there are more of them: few large ones on a small instance.
 * A panel of 500 series with 500 steps holds 250,000.
 */
const USUAL_SAMPLES = 250_000;
/** Two of users, so that one slow query blocks no one, and one of the rules. */
const FEWEST = 3;
/** Prometheus' own numbers, which no memory raises: 20, of which 16 are for users. */
const MOST = 20;
const MOST_OF_USERS = 16;

/**
 * What fits beside the live heap: all queries that may run at once together, each with all the samples it may hold. What the owner wants of
 * `query_max_samples` can only lower it.
 *
 * Tried in memory cgroups of 1 GiB (60,000 series) and 4 GiB (100,000) without the agent's share, the tmpfs 60 % full: the largest queries that
 * are taken, all at once, as ranges, with topk, as subqueries and over all series, then /federate and /api/v1/series: 652 MiB resident (2.42)
 * and 572 MiB (3.14) at 1 GiB, 2,896 and 2,608 MiB at 4 GiB, and no death. A sort of that size was refused.
 */
export function queryLimitsOf(goMemLimitBytes: number | undefined, wantedSamples: number): QueryLimits {
  if (goMemLimitBytes === undefined) return { maxSamples: wantedSamples, atOnce: MOST, ofUsers: MOST_OF_USERS };
  const samples = (goMemLimitBytes * (1 - LIVE_SHARE)) / BYTES_PER_SAMPLE;
  const atOnce = Math.min(MOST, Math.max(FEWEST, Math.floor(Math.sqrt(samples / USUAL_SAMPLES))));
  return {
    maxSamples: Math.max(1, Math.min(wantedSamples, Math.floor(samples / atOnce))),
    atOnce,
    ofUsers: Math.min(MOST_OF_USERS, atOnce - 1),
  };
}
