import { goQuote } from './go.ts';
import type { App } from './state.ts';

const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const LABEL_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/**
 * Why Kubernetes would refuse the app's pods; undefined when it would not. Tsuru makes labels of the app's names and of each of its tags, of
 * two with one key the last, and leaves out those whose key is no label (tsuru's sources, provision/labels.go); the values it does not look at.
 */
export function refusedLabel(app: App): string | undefined {
  const tags = app.tags.map((tag): [string, string] => {
    const [key = '', ...value] = tag.split('=');
    return [`custom-tag-${key}`, value.join('=')];
  });
  const labels = new Map([
    ...[['app-name', app.name] as const, ['app-pool', app.pool] as const, ['app-team', app.teamOwner] as const],
    ...tags.filter(([name]) => name !== 'custom-tag-' && LABEL_NAME.test(name)),
  ]);
  const refused = [...labels.values()].find((value) => !LABEL_VALUE.test(value));
  if (refused === undefined) return undefined;
  return (
    `Deployment.apps ${goQuote(app.name)} is invalid: metadata.labels: Invalid value: ${goQuote(refused)}: a valid label must be an empty string ` +
    "or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
  );
}
