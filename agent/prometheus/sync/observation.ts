import { sampleOf, samplesOf } from '../api/exposition.ts';
import type { Observation } from './proof.ts';

/** The job of the base configuration that scrapes the apps. */
export const APPS_JOB = 'tsuru-apps';

/** What the agent reads in Prometheus' own `/metrics`; undefined is what it does not tell. */
export interface PrometheusMetrics extends Observation {
  /** How often the file discovery could not watch: then it is dead, and the job without targets. */
  readonly watcherErrors: number;
  /** When a configuration was last loaded, to the millisecond. */
  readonly configLoadedSeconds: number | undefined;
  /** Whether the last attempt to load one succeeded. */
  readonly configSuccessful: boolean | undefined;
}

/** The job that scrapes the apps, or one of those that it is rendered as, one for each sample limit. */
function isAppsJob(name: string | undefined): boolean {
  return name === APPS_JOB || name?.startsWith(`${APPS_JOB}-`) === true;
}

/** Reads Prometheus' `/metrics`, the same in Prometheus 2.42 and 3. */
export function readMetrics(page: string, targetsFile: string): PrometheusMetrics {
  const ofPools = (name: string): number[] =>
    [...samplesOf(page, name)].flatMap(({ labels, value }) => (isAppsJob(labels.get('scrape_job')) ? [value] : []));
  const syncs = ofPools('prometheus_target_scrape_pool_sync_total');
  const targets = ofPools('prometheus_target_scrape_pool_targets');
  const successful = sampleOf(page, 'prometheus_config_last_reload_successful');
  return {
    mtimeSeconds: sampleOf(page, 'prometheus_sd_file_mtime_seconds', { filename: targetsFile }),
    // What is proven must be so in each of the pools.
    syncs: syncs.length === 0 ? undefined : Math.min(...syncs),
    poolTargets: targets.length === 0 ? undefined : targets.reduce((sum, count) => sum + count, 0),
    startSeconds: sampleOf(page, 'process_start_time_seconds'),
    watcherErrors: sampleOf(page, 'prometheus_sd_file_watcher_errors_total') ?? 0,
    configLoadedSeconds: sampleOf(page, 'prometheus_config_last_reload_success_timestamp_seconds'),
    configSuccessful: successful === undefined ? undefined : successful === 1,
  };
}
