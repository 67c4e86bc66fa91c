import type { App, AppDetails, Unit } from './known-apps.ts';
import { compareText } from '../shared/text.ts';
import { APP_LABEL, TEAM_LABEL } from './target-group.ts';

/** The label that says which unit a target is: what becomes `instance`. */
export const UNIT_LABEL = '__meta_tsuru_unit';
/** The label that says which process of its app a target is of. */
export const PROCESS_LABEL = '__meta_tsuru_process';

/** The labels of a unit's target before relabelling. Empty ones are left out: to Prometheus they are the same as none. */
export function labelsOf(app: App, unit: Unit, details: AppDetails | undefined): Record<string, string> {
  const labels: Record<string, string> = {};
  const add = (name: string, value: string): void => {
    const valid = validValue(value);
    if (valid !== '' && !Object.hasOwn(labels, name)) labels[name] = valid;
  };
  add(APP_LABEL, app.name);
  add(PROCESS_LABEL, unit.process);
  add(UNIT_LABEL, unit.name);
  add('__meta_tsuru_pool', app.pool);
  add(TEAM_LABEL, app.team);
  add('__meta_tsuru_version', unit.version);
  add('__meta_tsuru_platform', details?.platform ?? '');
  // Two names that become one: the first in order stays.
  for (const [name, value] of Object.entries(app.labels).sort(([a], [b]) => compareText(a, b))) {
    add(`__meta_tsuru_label_${validName(name)}`, value);
  }
  return labels;
}

/** A label's name in every version of Prometheus: letters, digits and _. */
function validName(name: string): string {
  return name.replace(/[^a-zA-Z0-9_]/g, '_');
}

/** A label's value is any text in UTF-8: half of a surrogate pair is none. */
export function validValue(value: string): string {
  return value.toWellFormed();
}
