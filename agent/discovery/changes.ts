import { SAMPLE_LIMIT_LABEL } from './sample-limits.ts';
import { compareText, count } from '../shared/text.ts';
import type { AppDiscovery, Discovery, LeftOut } from './discover.ts';
import { UNIT_LABEL } from './labels.ts';

/** The agent's own bookkeeping, which is no change to anybody. */
const SAMPLE_LIMIT = new RegExp(`,"${SAMPLE_LIMIT_LABEL}":"[^"]+"`);

/** A line for the log about an app whose targets, units left out or problems changed. */
export interface Change {
  readonly app: string;
  readonly level: 'info' | 'warn';
  readonly text: string;
}

/** What changed from one discovery to the next, an app a line, and a line for each annotation that newly makes no sense. */
export function changesBetween(
  before: Discovery,
  after: Discovery,
  gone: ReadonlyMap<string, string>,
): readonly Change[] {
  const old = byName(before);
  const now = byName(after);
  const names = [...new Set([...old.keys(), ...now.keys()])].sort(compareText);
  return names.flatMap((name) => changesOf(name, old.get(name), now.get(name), gone.get(name)));
}

function byName({ apps }: Discovery): Map<string, AppDiscovery> {
  return new Map(apps.map((app) => [app.known.app.name, app]));
}

function changesOf(
  name: string,
  before: AppDiscovery | undefined,
  after: AppDiscovery | undefined,
  why: string | undefined,
): Change[] {
  if (before !== undefined && before === after) return [];
  const old = targetsOf(before);
  const now = targetsOf(after);
  const added = [...now.keys()].filter((unit) => !old.has(unit)).length;
  const removed = [...old.keys()].filter((unit) => !now.has(unit)).length;
  const changed = [...now].filter(([unit, target]) => old.has(unit) && old.get(unit) !== target).length;
  const oldLeftOut = leftOutText(before);
  const nowLeftOut = leftOutText(after);

  const lines: Change[] = [];
  const parts = [
    added > 0 ? `${count(added, 'unit')} added` : '',
    removed > 0 ? `${added > 0 ? removed : count(removed, 'unit')} removed` : '',
    changed > 0 ? `${count(changed, 'target')} changed` : '',
  ].filter((part) => part !== '');
  if (after === undefined) {
    const scraped = parts.length === 0 ? '' : `: ${parts.join(', ')}, 0 scraped`;
    lines.push({ app: name, level: 'info', text: `${name}: ${why ?? 'it is gone'}${scraped}` });
  } else if (before === undefined || parts.length > 0 || oldLeftOut !== nowLeftOut) {
    const rest = nowLeftOut === '' ? '' : `; left out: ${nowLeftOut}`;
    const bound = before === undefined ? ['bound'] : [];
    lines.push({
      app: name,
      level: 'info',
      text: `${name}: ${[...bound, ...parts, `${now.size} scraped`].join(', ')}${rest}`,
    });
  }
  const known = new Set(before?.problems);
  for (const problem of after?.problems ?? []) {
    if (!known.has(problem)) lines.push({ app: name, level: 'warn', text: `${name}: ${problem}` });
  }
  return lines;
}

/** The targets of an app by their identity, each as text to compare. */
function targetsOf(app: AppDiscovery | undefined): Map<string, string> {
  return new Map(
    (app?.groups ?? []).map(({ labels, targets }, index) => [
      labels[UNIT_LABEL] ?? targets.join(),
      (app?.texts[index] ?? '').replace(SAMPLE_LIMIT, ''),
    ]),
  );
}

/** `2 stopped, 1 no_port` as people read it: how many for which reason, and one reason in full when there is but one unit. */
function leftOutText(app: AppDiscovery | undefined): string {
  const leftOut = app?.leftOut ?? [];
  const [only] = leftOut;
  if (only !== undefined && leftOut.length === 1) return `${only.unit.name} (${only.text})`;
  return [...Map.groupBy(leftOut, ({ text }: LeftOut) => text)]
    .sort(([a], [b]) => compareText(a, b))
    .map(([text, units]) => `${count(units.length, 'unit')} (${text})`)
    .join(', ');
}
