/**
 * The sample limits there are, least first. Prometheus has them per job, not per target (2.42 to 3.14), so each is a job. Few and wide: a
 * target changes its job, and is "unknown" until its next scrape, only when it outgrows its limit. What is planned is what targets are
 * measured to expose, so a limit only bounds what an explosion takes until it is measured. The last is for all that is larger.
 */
export const SAMPLE_LIMITS = [2_000, 16_000, Infinity] as const;

/** For a target that does not fit: its scrapes fail and take no room, and Prometheus reports anyway how much it exposes. */
export const PROBE_LIMIT = 1;

/** How much a target may grow before its limit is raised, so that no scrape fails meanwhile. */
const ROOM = 1.1;
/** A limit is lowered only where a target of this many times the samples would have the lower one, too. */
const LOWER = 4;

/** The limit for a target that had one, or none, and exposes this many samples: the same, until it outgrows that or is far below. */
export function sampleLimitFor(samples: number, previous: number | undefined): number {
  if (previous !== undefined && previous >= samples * ROOM && leastLimit(samples * LOWER) >= previous) return previous;
  return leastLimit(samples);
}

function leastLimit(samples: number): number {
  return SAMPLE_LIMITS.find((limit) => limit >= samples * ROOM) ?? Infinity;
}

/** The label by which a target is in the job of its limit. */
export const SAMPLE_LIMIT_LABEL = '__meta_tsuru_sample_limit';

/** The limit as the label has it. */
export function labelOfLimit(limit: number): string {
  return limit === Infinity ? 'none' : String(limit);
}

/** The limit that a label tells; undefined when it reports none. */
export function limitOfLabel(label: string | undefined): number | undefined {
  return SAMPLE_LIMITS.find((limit) => labelOfLimit(limit) === label);
}

/** The name of the job with this limit, of a base configuration's job: the base's own name for the least, which most targets have. */
export function limitedJob(job: string, limit: number): string {
  if (limit === PROBE_LIMIT) return `${job}-over-capacity`;
  return limit === SAMPLE_LIMITS[0] ? job : `${job}-${limit === Infinity ? 'large' : limit}`;
}

/**
 * A scrape job as one for each sample limit, which takes the targets with its label. `mostSamples` is what the instance can hold: no limit
 * is above it, nor above the job's own. The jobs share one discovery: Prometheus has one for all equal `file_sd_configs`.
 */
export function splitBySampleLimit(
  job: Readonly<Record<string, unknown>>,
  mostSamples: number,
): Record<string, unknown>[] {
  const relabel = job['relabel_configs'];
  const own = typeof job['sample_limit'] === 'number' && job['sample_limit'] > 0 ? job['sample_limit'] : Infinity;
  return [...SAMPLE_LIMITS, PROBE_LIMIT].map((limit) => {
    const least = Math.min(limit, own, Math.max(1, Math.floor(mostSamples)));
    return {
      ...job,
      job_name: limitedJob(String(job['job_name']), limit),
      ...(least === Infinity ? {} : { sample_limit: least }),
      relabel_configs: [
        { source_labels: [SAMPLE_LIMIT_LABEL], regex: labelOfLimit(limit), action: 'keep' },
        ...(Array.isArray(relabel) ? (relabel as unknown[]) : []),
      ],
    };
  });
}
