import { dump, load } from 'js-yaml';
import { asArray, asObject, ShapeError, type JsonObject } from '../shared/shape.ts';
import type { ScrapeDefaults } from '../discovery/annotations.ts';
import { formatDuration } from '../shared/duration.ts';
import { APPS_JOB } from './observation.ts';

/** What differs from one place to another in the configuration that Prometheus runs. */
export interface RenderOptions {
  readonly targetsFile: string;
  /** Of the file discovery. A change of it begins a dead discovery anew. */
  readonly refreshSeconds: number;
  /** For `global`: what targets without their own are scraped with. */
  readonly scrape: ScrapeDefaults;
  /** Where the rules are, as patterns of paths. */
  readonly ruleFiles: readonly string[];
  /** `host:port` of Prometheus and of the agent itself, for the jobs of these names. */
  readonly addresses: { readonly prometheus: string; readonly agent: string };
}

/**
 * What Prometheus runs: the base configuration with the places of this instance, and everything else as the base has it. The same input
 * gives the same text.
 * @throws {ShapeError} or js-yaml's exception, whose messages say what is wrong with the base.
 */
export function renderConfig(base: string, options: RenderOptions): string {
  const config = asObject(load(base), 'the base configuration');
  const jobs = asArray(config['scrape_configs'], 'scrape_configs').map((job, index) =>
    asObject(job, `scrape_configs[${index}]`),
  );
  if (!jobs.some((job) => job['job_name'] === APPS_JOB)) {
    throw new ShapeError(`scrape_configs has no job called ${APPS_JOB}, which scrapes the apps`);
  }
  const rendered = jobs.map((job) => renderJob(job, options));
  const global = {
    ...asObject(config['global'] ?? {}, 'global'),
    scrape_interval: formatDuration(options.scrape.intervalMs),
    scrape_timeout: formatDuration(options.scrape.timeoutMs),
  };
  return dump({ ...config, global, rule_files: options.ruleFiles, scrape_configs: rendered }, { lineWidth: -1 });
}

function renderJob(job: JsonObject, { targetsFile, refreshSeconds, addresses }: RenderOptions): JsonObject {
  switch (job['job_name']) {
    case APPS_JOB:
      return { ...job, file_sd_configs: [{ files: [targetsFile], refresh_interval: `${refreshSeconds}s` }] };
    case 'prometheus':
      return { ...job, static_configs: [{ targets: [addresses.prometheus] }] };
    case 'agent':
      return { ...job, static_configs: [{ targets: [addresses.agent] }] };
    default:
      return job;
  }
}
