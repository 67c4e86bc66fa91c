// An app's name outlives the app: Tsuru keeps the grants of removed apps, and they count for the next app of that name, whoever owns it.
import type { KnownApp, KnownApps, Unit } from '../discovery/known-apps.ts';
import { BINDS_ANNOTATION, parseBinds } from '../shared/binds.ts';
import type { ListedApp } from './answers.ts';
import { unitsFromTargetFile } from './from-target-file.ts';

/** What a list says of apps that were known before. */
export interface Identities {
  /** Apps that took the place of a known one and are not to be scraped yet, with the reason; only those that newly did. */
  readonly strangers: ReadonlyMap<string, string>;
  /** Apps that took the place of one that was known before, and are to be scraped: nothing of the former one counts. */
  readonly accepted: readonly string[];
  /** All listed apps that wait for the broker, in sentences. */
  readonly problems: readonly string[];
}

/**
 * Compares the apps of a list with those that are known. An app with another team and with none of the units of the last poll is another
 * app. It is not scraped until the broker confirms that it is bound, in the annotation of the instance's own app. An app whose former one
 * was seen to be removed is judged by its team alone, as its units are others in any case.
 */
export function identify(
  known: KnownApps,
  listed: ReadonlyMap<string, ListedApp>,
  own: ListedApp | undefined,
): Identities {
  const annotation = own?.app.annotations[BINDS_ANNOTATION];
  const binds = annotation === undefined ? new Map<string, string>() : parseBinds(annotation);
  const strangers = new Map<string, string>();
  const accepted: string[] = [];
  const problems: string[] = [];
  if (binds === undefined)
    problems.push(
      `the annotation ${BINDS_ANNOTATION} of this instance's app is invalid: it must be a JSON object of app names and teams`,
    );
  for (const [name, app] of listed) {
    const before = known.get(name);
    if (before === undefined || !isAnother(before, app)) continue;
    const { team } = app.app;
    const isConfirmed = team !== '' && (team === before.formerTeam || binds?.get(name) === team);
    if (isConfirmed) {
      accepted.push(name);
      continue;
    }
    if (before.formerTeam === undefined) strangers.set(name, `it is another app now, of team ${team}`);
    problems.push(
      `${name} is not scraped: it is another app now, of team ${team}, and the broker has not confirmed its bind; bind it to this instance if it is to be scraped`,
    );
  }
  return { strangers, accepted, problems };
}

function isAnother(before: KnownApp, { app, units }: ListedApp): boolean {
  if (before.formerTeam !== undefined) return true;
  if (units.kind === 'unknown' || before.app.team === '' || app.team === '') return false;
  return before.app.team !== app.team && !haveCommon(before, units.units);
}

function haveCommon(before: KnownApp, units: readonly Unit[]): boolean {
  if (before.fromTargetFile !== undefined && unitsFromTargetFile(before.fromTargetFile, units).length > 0) return true;
  const ids = new Set(before.units.map(keyOf));
  return units.some((unit) => ids.has(keyOf(unit)));
}

function keyOf({ id, name, internalIp, hostPort }: Unit): string {
  return id || name || internalIp || hostPort;
}

/** Nothing of these apps counts any more but whose they were. */
export function makeFormer(known: KnownApps, names: Iterable<string>): KnownApps {
  const former = [...names].flatMap((name): [string, KnownApp][] => {
    const before = known.get(name);
    if (before === undefined || before.formerTeam !== undefined) return [];
    const app = { name, pool: '', team: '', annotations: {}, labels: {} };
    return [[name, { app, units: [], formerTeam: before.app.team }]];
  });
  return former.length === 0 ? known : new Map([...known, ...former]);
}
