/**
 * The sample limits there are. Prometheus has them per job, not per target, so there is a job for each; each target is in that of the least
 * limit that leaves it some room. Each is twice the one before: an app that explodes within its limit takes at most about twice what it took.
 */
export const SAMPLE_LIMITS = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000] as const;

const LARGEST = 128_000;
/** How much an app may grow before its limit is raised, so that no scrape fails meanwhile. */
const ROOM = 1.1;
/** A limit is raised before it is hit: above this share of it. */
const FULL_SHARE = 0.95;
/** A limit is lowered only where the samples fit well below the next one, so that it does not go up and down. */
const LOWER_SHARE = 0.4;

/** The least limit for a target of so many samples a scrape. The largest is for all that is larger, too, whose scrapes then fail. */
export function sampleLimitFor(samples: number): number {
  return SAMPLE_LIMITS.find((limit) => limit >= samples * ROOM) ?? LARGEST;
}

/** The limit that a target should have that had one and exposes so many samples now: the same, as long as that does. */
export function nextSampleLimit(previous: number, samples: number): number {
  const keeps = samples <= previous * FULL_SHARE && samples > previous * LOWER_SHARE;
  return keeps ? previous : sampleLimitFor(samples);
}

/** The label by which a target is in the job of its limit. */
export const SAMPLE_LIMIT_LABEL = '__meta_tsuru_sample_limit';

/** The name of the job with this limit, of a base configuration's job. */
export function limitedJob(job: string, limit: number): string {
  return `${job}-${limit}`;
}

/**
 * A scrape job of a configuration as one for each sample limit, which take the targets with its label. They share one discovery: Prometheus
 * has one for all equal `file_sd_configs`.
 */
export function splitBySampleLimit(job: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
  const relabel = job['relabel_configs'];
  return SAMPLE_LIMITS.map((limit) => ({
    ...job,
    job_name: limitedJob(String(job['job_name']), limit),
    sample_limit: limit,
    relabel_configs: [
      { source_labels: [SAMPLE_LIMIT_LABEL], regex: String(limit), action: 'keep' },
      ...(Array.isArray(relabel) ? (relabel as unknown[]) : []),
    ],
  }));
}
