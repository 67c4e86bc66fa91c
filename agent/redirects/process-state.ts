import type { Discovery, Target } from '../discovery/discover.ts';
import { UNIT_LABEL } from '../discovery/labels.ts';
import type { TargetHealth } from '../prometheus/api/client.ts';
import { APP_LABEL } from '../discovery/target-group.ts';
import { fromOf, keyOf, type LearnedPaths } from './learned-paths.ts';
import { PATH_LABEL, placeOf, placeText, urlOf, type Place } from './place.ts';

const REDIRECT = /server returned HTTP status 3\d\d\b/;
/**
 * The path is wrong: there is none, or a page for people. Not a server that is down, busy or asks for a password, or a target that exposes
 * too much.
 */
const WRONG_PATH = /server returned HTTP status 4(?!01|03|08|29)\d\d\b|valid start token|content.type/i;

/** A process of an app and the outcome of its targets' scrapes. */
export interface ProcessState {
  readonly key: string;
  readonly app: string;
  readonly process: string;
  /** The path that annotations say. */
  readonly from: string;
  /** The version of the units that answer: another one is worth another question. */
  readonly version: string;
  readonly outcome:
    | { readonly kind: 'up' }
    /** A target answers with a redirect, and none is up. `place` is the path that was asked. */
    | { readonly kind: 'redirects'; readonly url: URL; readonly place: string }
    /** The learned path is wrong for all that answer. */
    | { readonly kind: 'wrong'; readonly error: string }
    /** Not known, or down for a reason that has nothing to do with the path. */
    | { readonly kind: 'other' };
}

/** The state of each process, from what was discovered and what Prometheus reports of its targets. */
export function processStates(
  discovery: Discovery,
  learned: LearnedPaths,
  told: readonly TargetHealth[],
): readonly ProcessState[] {
  const byUnit = new Map(told.map((target) => [unitKey(target.discovered), target]));
  return discovery.apps.flatMap(({ known, targets }) =>
    [...Map.groupBy(targets, ({ unit }) => unit.process)].flatMap(([process, all]) => {
      const [first] = all;
      if (first === undefined) return [];
      const key = keyOf(known.app.name, process);
      const from = fromOf(first);
      const path = learned.get(key);
      const isLearned = path?.from === from;
      const asked = all.flatMap((target) => healthOf(target, byUnit, isLearned ? path.to : undefined));
      return [
        { key, app: known.app.name, process, from, version: first.unit.version, outcome: outcome(asked, isLearned) },
      ];
    }),
  );
}

function unitKey(labels: Readonly<Record<string, unknown>>): string {
  return JSON.stringify([labels[APP_LABEL], labels[UNIT_LABEL], labels['__address__']]);
}

/** What Prometheus reports of a target, unless it reports of an earlier path. The job may add parameters. */
function healthOf(
  target: Target,
  byUnit: ReadonlyMap<string, TargetHealth>,
  learned: Place | undefined,
): readonly TargetHealth[] {
  const health = byUnit.get(unitKey({ ...target.group.labels, __address__: target.address }));
  if (health === undefined) return [];
  const asked = placeOf(health.discovered);
  const { path, query } = learned ?? placeOf(target.group.labels);
  // Without an annotation, the job says the path.
  const isPath = path === asked.path || (learned === undefined && target.group.labels[PATH_LABEL] === undefined);
  const isCurrent = isPath && Object.entries(query).every(([name, value]) => asked.query[name] === value);
  return isCurrent ? [health] : [];
}

function outcome(asked: readonly TargetHealth[], isLearned: boolean): ProcessState['outcome'] {
  // What works for one is kept: another path might be wrong for it.
  if (asked.some(({ health }) => health === 'up')) return { kind: 'up' };
  const down = asked.filter(({ health }) => health === 'down');
  const redirecting = down.find(({ lastError }) => REDIRECT.test(lastError));
  if (redirecting !== undefined) {
    const url = urlOf(redirecting.discovered);
    if (url !== undefined) return { kind: 'redirects', url, place: placeText(placeOf(redirecting.discovered)) };
  }
  const wrong = isLearned ? down.find(({ lastError }) => WRONG_PATH.test(lastError)) : undefined;
  return wrong === undefined ? { kind: 'other' } : { kind: 'wrong', error: wrong.lastError };
}
