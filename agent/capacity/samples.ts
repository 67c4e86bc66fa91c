import type { PrometheusClient } from '../prometheus/api/client.ts';

/**
 * The samples of the last scrape of each target, also of one that failed by its sample limit. What is down has none, which says nothing of
 * what it will expose. The labels are those of the base configuration.
 */
const QUERY = 'max by (tsuru_app, instance) (scrape_samples_post_metric_relabeling{tsuru_app!=""}) > 0';

/**
 * How many samples each target exposes, by app and unit (sampleKey).
 * @throws when Prometheus does not answer.
 */
export async function readSamples(prometheus: PrometheusClient): Promise<ReadonlyMap<string, number>> {
  const results = await prometheus.query(QUERY);
  return new Map(
    results.map(({ labels, value }) => [sampleKey(String(labels['tsuru_app']), String(labels['instance'])), value]),
  );
}

/** Names a target: an app's name has no space. */
export function sampleKey(app: string, unit: string): string {
  return `${app} ${unit}`;
}
