import { asArray, asObject, ShapeError, type JsonObject } from '../../shared/shape.ts';

/** Service discoveries that ask a server which the configuration names, and whose requests follow redirects unless told not to. */
const DISCOVERIES = [
  'consul',
  'docker',
  'dockerswarm',
  'eureka',
  'http',
  'kuma',
  'marathon',
  'nomad',
  'puppetdb',
  'uyuni',
];

/**
 * The same configuration, in which no request follows a redirect: whoever answers one would choose where Prometheus sends a secret, what it
 * fetches, and what it sends a POST to.
 * @throws {ShapeError} when jobs are in files that this cannot change.
 */
export function withoutRedirects(config: JsonObject): JsonObject {
  if (config['scrape_config_files'] !== undefined)
    throw new ShapeError('scrape_config_files is not supported: write these jobs into scrape_configs');
  return {
    ...config,
    ...mapList(config, 'scrape_configs', refuseEverywhere),
    ...mapList(config, 'remote_write', refuse),
    ...mapList(config, 'remote_read', refuse),
    ...(config['alerting'] === undefined ? {} : { alerting: ofAlerting(asObject(config['alerting'], 'alerting')) }),
  };
}

function ofAlerting(alerting: JsonObject): JsonObject {
  return { ...alerting, ...mapList(alerting, 'alertmanagers', refuseEverywhere) };
}

/** Of a job or of Alertmanagers, and of what discovers them. */
function refuseEverywhere(entry: JsonObject): JsonObject {
  return DISCOVERIES.reduce<JsonObject>(
    (changed, name) => ({ ...changed, ...mapList(entry, `${name}_sd_configs`, refuse) }),
    refuse(entry),
  );
}

function refuse(entry: JsonObject): JsonObject {
  return { ...entry, follow_redirects: false };
}

/** The list of this name with each entry changed; nothing when there is none. */
function mapList(parent: JsonObject, name: string, change: (entry: JsonObject) => JsonObject): JsonObject {
  const list = parent[name];
  if (list === undefined || list === null) return {};
  return { [name]: asArray(list, name).map((entry, index) => change(asObject(entry, `${name}[${index}]`))) };
}
