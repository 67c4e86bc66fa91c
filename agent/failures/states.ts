import type { RuleHealth, TargetHealth } from '../prometheus/api/client.ts';
import { APP_LABEL } from '../discovery/target-group.ts';
import { count, shortLine } from '../shared/text.ts';
import { cleanError } from './errors.ts';
import type { Observation } from './observation.ts';

/** The names are chosen by users. */
const LONGEST_NAME = 60;
/** What Prometheus sends in place of an annotation that cannot be expanded. */
const BROKEN_TEMPLATE = /^<error expanding template: (.*)>$/s;
/** The error of a scrape that a limit ended, or of all of a job: `sample limit exceeded`, `label_limit exceeded (metric: ...)`. */
const LIMIT = /^((?:\w+[ _])+limit) exceeded/;
/** Limits that follow from the room of this instance: units say themselves that they exceed one. */
const OF_ROOM = ['sample_limit', 'body_size_limit'];

/** How each rule was evaluated last; those of one name in one group are one. `before` are the last ones that failed, with their times. */
export function observeRules(
  rules: readonly RuleHealth[],
  before: ReadonlyMap<string, string>,
): { readonly observations: readonly Observation[]; readonly failing: ReadonlyMap<string, string> } {
  const failing = new Map<string, string>();
  const observations = [...Map.groupBy(rules, ({ file, group, name }) => JSON.stringify([file, group, name]))].map(
    ([key, [first, ...others]]): Observation => {
      const all = [first, ...others].flatMap((rule) => (rule === undefined ? [] : [rule]));
      const name = shortLine(`${first?.name ?? ''} (group ${first?.group ?? ''})`, LONGEST_NAME);
      const failed = all.flatMap((rule) => {
        const error = errorOf(rule);
        return error === undefined ? [] : [{ error, at: rule.lastEvaluation }];
      })[0];
      if (failed === undefined) {
        const verdict = all.every(({ health }) => health === 'ok') ? 'works' : 'idle';
        return { key, name, verdict, isNew: false };
      }
      failing.set(key, failed.at);
      return { key, name, verdict: 'fails', isNew: before.get(key) !== failed.at, error: cleanError(failed.error) };
    },
  );
  return { observations, failing };
}

function errorOf({ health, lastError, annotations }: RuleHealth): string | undefined {
  if (health === 'err') return lastError;
  return annotations.flatMap((text) => BROKEN_TEMPLATE.exec(text)?.[1] ?? []).at(0);
}

/** Jobs of which a limit drops targets. Targets of apps say themselves what they exceed of this instance's room. */
export function observeLimits(targets: readonly TargetHealth[]): readonly Observation[] {
  return [...Map.groupBy(targets, ({ pool }) => pool)].map(([pool, ofPool]): Observation => {
    const dropped = ofPool.filter((target) => isDropped(target));
    const [first] = dropped;
    const name = shortLine(pool, LONGEST_NAME);
    if (first === undefined) return { key: pool, name, verdict: 'works', isNew: false };
    const error = `${cleanError(first.lastError)} (${count(dropped.length, 'target')})`;
    return { key: pool, name, verdict: 'fails', isNew: true, error };
  });
}

function isDropped({ health, lastError, discovered }: TargetHealth): boolean {
  const limit = health === 'down' ? LIMIT.exec(lastError)?.[1]?.replaceAll(' ', '_') : undefined;
  return limit !== undefined && (discovered[APP_LABEL] === undefined || !OF_ROOM.includes(limit));
}
