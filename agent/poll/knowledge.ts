import type { AppDetails, KnownApp, KnownApps } from '../apps.ts';
import type { AppList, ListedApp } from './answers.ts';

/** What is known after a list of apps, the very same object if nothing is new: what the list does not tell stays as it was. Apps missing from it stay, too: see confirm.ts. */
export function learnList(known: KnownApps, list: AppList, nowMs: number): KnownApps {
  const next = new Map(known);
  let changed = false;
  for (const [name, listed] of list.apps) {
    const before = known.get(name);
    const after = learnApp(before, listed, nowMs);
    changed ||= after !== before;
    next.set(name, after);
  }
  return changed ? next : known;
}

function learnApp(before: KnownApp | undefined, { app, units }: ListedApp, nowMs: number): KnownApp {
  const details = before?.details === undefined ? {} : { details: before.details };
  if (units.kind === 'known') {
    // The very same list as last time: nothing is new, and nothing need be looked at again.
    if (before?.app === app && before.units === units.units && before.unknown === undefined) return before;
    return { app, units: units.units, ...details };
  }
  if (before?.unknown?.reason === units.reason) return before;
  const unknown = { reason: units.reason, sinceMs: before?.unknown?.sinceMs ?? nowMs };
  if (before === undefined) return { app, units: [], unknown };
  // What the list says of the app itself may be a part of what could not be read, so that stands as well.
  return { ...before, unknown };
}

/** An app that is missing from the list, though nothing says that its bind is gone: its units are unknown. */
export function markMissing(known: KnownApps, name: string, reason: string, nowMs: number): KnownApps {
  const app = known.get(name);
  if (app === undefined || app.unknown?.reason === reason) return known;
  return new Map(known).set(name, { ...app, unknown: { reason, sinceMs: app.unknown?.sinceMs ?? nowMs } });
}

export function forget(known: KnownApps, names: readonly string[]): KnownApps {
  if (names.length === 0) return known;
  const next = new Map(known);
  names.forEach((name) => next.delete(name));
  return next;
}

export function learnDetails(known: KnownApps, answers: ReadonlyMap<string, AppDetails>): KnownApps {
  const next = new Map(known);
  for (const [name, details] of answers) {
    const app = next.get(name);
    if (app !== undefined) next.set(name, { ...app, details });
  }
  return next;
}
