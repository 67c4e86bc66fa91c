import { isDeepStrictEqual } from 'node:util';
import type { AppDetails, KnownApp, KnownApps, Unit } from '../discovery/known-apps.ts';
import type { AppList, ListedApp } from './answers.ts';
import { unitsFromTargetFile } from './from-target-file.ts';

/** What is known after a list of apps, the very same object if nothing is new: what the list does not tell stays as it was. Apps missing from it stay, too (see confirm.ts), and so do former ones (see identity.ts). */
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
  if (before?.formerTeam !== undefined) return before;
  const details = before?.details === undefined ? {} : { details: before.details };
  if (units.kind === 'known') {
    // Unchanged parts stay the same object, so that nothing is computed from them again.
    const isSame = before !== undefined && before.unknown === undefined && before.fromTargetFile === undefined;
    if (isSame && isDeepStrictEqual(before.app, app) && haveSame(before.units, units.units)) return before;
    const fromTargetFile =
      before?.details === undefined ? unitsFromTargetFile(before?.fromTargetFile ?? [], units.units) : [];
    return { app, units: units.units, ...details, ...(fromTargetFile.length === 0 ? {} : { fromTargetFile }) };
  }
  if (before?.unknown?.reason === units.reason) return before;
  const unknown = { reason: units.reason, sinceMs: before?.unknown?.sinceMs ?? nowMs };
  if (before === undefined) return { app, units: [], unknown };
  // What the list says of the app itself may be a part of what could not be read, so that stands as well.
  return { ...before, unknown };
}

/** Whether units are the same in the same order; field by field, as there may be thousands. */
function haveSame(before: readonly Unit[], units: readonly Unit[]): boolean {
  return (
    before.length === units.length &&
    units.every((unit, index) => {
      const other = before[index];
      return (
        other?.id === unit.id &&
        other.name === unit.name &&
        other.process === unit.process &&
        other.status === unit.status &&
        other.version === unit.version &&
        other.internalIp === unit.internalIp &&
        other.hostPort === unit.hostPort
      );
    })
  );
}

/** Apps that are missing from the list, though nothing says that their bind is gone: their units are unknown, each for its reason. */
export function markMissing(known: KnownApps, reasons: ReadonlyMap<string, string>, nowMs: number): KnownApps {
  const changed = [...reasons].filter(([name, reason]) => {
    const app = known.get(name);
    return app?.formerTeam === undefined && app?.unknown?.reason !== reason;
  });
  if (changed.length === 0) return known;
  const next = new Map(known);
  for (const [name, reason] of changed) {
    const app = known.get(name);
    if (app !== undefined) next.set(name, { ...app, unknown: { reason, sinceMs: app.unknown?.sinceMs ?? nowMs } });
  }
  return next;
}

export function forget(known: KnownApps, names: readonly string[]): KnownApps {
  if (!names.some((name) => known.has(name))) return known;
  const next = new Map(known);
  names.forEach((name) => next.delete(name));
  return next;
}

export function learnDetails(known: KnownApps, name: string, details: AppDetails): KnownApps {
  const app = known.get(name);
  if (app === undefined || app.formerTeam !== undefined || isDeepStrictEqual(app.details, details)) return known;
  const { fromTargetFile, ...rest } = app;
  // Groups of the last target file are kept until both the units and their ports are known.
  const kept = app.unknown === undefined || fromTargetFile === undefined ? {} : { fromTargetFile };
  return new Map(known).set(name, { ...rest, ...kept, details });
}

/** The apps that are there: all but former ones. */
export function present(known: KnownApps): KnownApps {
  const all = [...known];
  const there = all.filter(([, { formerTeam }]) => formerTeam === undefined);
  return there.length === all.length ? known : new Map(there);
}
