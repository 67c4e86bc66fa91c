/** Parameters of receivers that are no secrets: databases, tenants, labels and versions, as the receivers' documents name them. */
const HARMLESS = [
  'api-version',
  'bucket',
  'cluster',
  'consistency',
  'dataset',
  'db',
  'env',
  'extra_label',
  'namespace',
  'org',
  'orgID',
  'physical_table',
  'precision',
  'project',
  'prometheus_server',
  'region',
  'rp',
  'source',
  'tenant',
  'timeout',
];

/**
 * What is wrong with the query of a URL; undefined if nothing is. Prometheus shows it in /config, in labels and in its log, and nobody can
 * tell a secret from a word: so only parameters that are known to hold none are taken.
 */
export function queryProblem({ search }: URL): string | undefined {
  const parameters = search.slice(1).split(/[&;]/);
  const unknown = parameters.find((parameter) => parameter !== '' && !HARMLESS.includes(nameOf(parameter)));
  if (unknown === undefined) return undefined;
  const name = nameOf(unknown);
  // Without a value, what stands there may be the secret itself.
  const told = unknown.includes('=') && /^[A-Za-z][A-Za-z_.-]{0,29}$/.test(name) ? name : 'a parameter';
  return (
    `has ${told} in its URL, which Prometheus shows in its pages and its log: send a secret with basic_auth, authorization, ` +
    `or a header of remote_write as {env: NAME}. A URL can hold ${HARMLESS.join(', ')}.`
  );
}

function nameOf(parameter: string): string {
  return new URLSearchParams(parameter).keys().next().value ?? '';
}
