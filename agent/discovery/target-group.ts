import { asArray, asObject, ShapeError } from '../shared/shape.ts';

/** A target group of file_sd: here always one unit's one address, or none at all. */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** The label that says which app a target group belongs to. */
export const APP_LABEL = '__meta_tsuru_app';
/** The label with the team that owns the app. */
export const TEAM_LABEL = '__meta_tsuru_team';

/** A group as the target file has it. */
export function renderGroup(group: TargetGroup): string {
  return JSON.stringify(group);
}

/**
 * The file for these groups, each as renderGroup gives it: the same bytes for the same groups, a group a line. No group at all is one
 * empty group: before Prometheus 3, a reload after `[]` leaves stale targets, after an empty group it does not.
 */
export function renderFile(groups: readonly string[]): string {
  return groups.length === 0 ? '[{"targets": []}]\n' : `[\n${groups.join(',\n')}\n]\n`;
}

/**
 * Reads a file that renderFile made, the groups by app.
 * @throws {ShapeError} or {SyntaxError} when it is invalid.
 */
export function parseGroups(text: string): ReadonlyMap<string, readonly TargetGroup[]> {
  const byApp = new Map<string, TargetGroup[]>();
  asArray(JSON.parse(text), 'the target file').forEach((raw, index) => {
    const group = asObject(raw, `group ${index}`);
    const targets = asArray(group['targets'], `group ${index}'s targets`).map(onlyText);
    if (targets.length === 0) return;
    const labels = Object.fromEntries(
      Object.entries(asObject(group['labels'], `group ${index}'s labels`)).map(([name, value]) => [
        name,
        onlyText(value),
      ]),
    );
    const app = labels[APP_LABEL];
    if (app === undefined) throw new ShapeError(`group ${index} has no ${APP_LABEL}`);
    byApp.set(app, [...(byApp.get(app) ?? []), { targets, labels }]);
  });
  return byApp;
}

function onlyText(value: unknown): string {
  if (typeof value !== 'string') throw new ShapeError(`${JSON.stringify(value)} is not a string`);
  return value;
}
