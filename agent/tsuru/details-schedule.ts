import type { KnownApp, Unit } from '../discovery/known-apps.ts';
import { compareText } from '../shared/text.ts';

/** How long an app's units may be starting, or without known ports, before they are taken for stuck and asked for less often. */
export const STARTING_LIMIT_MS = 10 * 60_000;
/** How old an app's details get at most when nothing hints at a change. */
const REFRESH_MS = 10 * 60_000;
/**
 * Tsuru writes the ports last, a moment after the units are ready and the old version has gone: how long after that they are asked for
 * again. Just below the interval of polls at such times, so that it is the very next one.
 */
const ONCE_MORE_AFTER_MS = 4_000;
/** The first wait after details that could not be had; it doubles up to REFRESH_MS. */
const FIRST_RETRY_MS = 10_000;

/** When the details of an app (`GET /1.0/apps/A`) were asked for and why they will be again. One an app, kept beside what is known of it. */
export interface DetailsState {
  /** When they are asked for again even if nothing hints at a change; -Infinity if they never were reported. */
  readonly refreshAtMs: number;
  /** What the list said of the app then: a change asks for the details again. */
  readonly signature: string;
  /** What the last list said of it; undefined before the first. */
  readonly seen?: string;
  /** The versions of the app's units in the last list; undefined before the first. */
  readonly versions: readonly string[] | undefined;
  /** The app's units in the last list. */
  readonly units: readonly Unit[];
  /** Since when units have been starting, or without a port. */
  readonly unsettledSinceMs?: number;
  /** When to ask again, whatever the list says; Infinity for not at all. */
  readonly onceMoreAtMs: number;
  readonly failures: number;
  readonly notBeforeMs: number;
  /** The app changed while its details were being asked for, so that the next failure is not waited for. */
  readonly changedMeanwhile?: boolean;
}

const NEVER_ASKED: DetailsState = {
  refreshAtMs: -Infinity,
  signature: '',
  versions: undefined,
  units: [],
  onceMoreAtMs: Infinity,
  failures: 0,
  notBeforeMs: 0,
};

/** Whether an app's units are on their way. */
export function isStarting({ units }: KnownApp): boolean {
  return units.some(({ process, status }) => process !== '' && (status === 'starting' || status === 'created'));
}

/** Whether a running unit's process has no port, though ports were reported. */
export function lacksPorts({ units, details }: KnownApp): boolean {
  if (details === undefined) return false;
  return units.some(
    ({ process, status, internalIp }) =>
      process !== '' &&
      internalIp !== '' &&
      (status === 'started' || status === 'error') &&
      !details.ports.some((port) => port.process === process),
  );
}

/**
 * Looks at an app after a list and says whether its details are to be asked for now: when units, versions, processes or annotations
 * changed, whatever wait is in force after a failure; while units start, or a running one has no port, and once that is over; again
 * after units were replaced, versions changed or the start was over, and of an app that is new here: it may have been deployed a moment before,
 * and its ports be those of the version before; else every 10 minutes. Times are of a clock that only goes forward.
 */
export function lookAt(
  app: KnownApp,
  before: DetailsState | undefined,
  nowMs: number,
): { due: boolean; hasChanged: boolean; state: DetailsState } {
  const state = before ?? NEVER_ASKED;
  const signature = signatureOf(app);
  const versions = versionsOf(app);
  const changedVersions = state.versions !== undefined && state.versions.join() !== versions.join();
  const units = compareUnits(state.units, app.units);
  // An app that was removed and made again under its name between two polls has the same versions, but none of its units.
  const isReplaced = state.units.length > 0 && app.units.length > 0 && units.kept === 0;
  const hasNews = signature !== (state.seen ?? signature) || units.added > 0 || changedVersions;
  const unsettled = isStarting(app) || lacksPorts(app);
  // A new version is a new start, however long the last one took.
  const since = changedVersions ? undefined : state.unsettledSinceMs;
  const unsettledSinceMs = unsettled ? (since ?? nowMs) : undefined;
  const settledJustNow = !unsettled && state.unsettledSinceMs !== undefined;
  const hasChanged = hasNews || units.removed > 0 || settledJustNow;
  const stuck = unsettledSinceMs !== undefined && nowMs - unsettledSinceMs >= STARTING_LIMIT_MS;
  const wanted =
    hasNews ||
    signature !== state.signature ||
    (unsettled && !stuck) ||
    settledJustNow ||
    nowMs >= state.onceMoreAtMs ||
    nowMs >= state.refreshAtMs;
  const isFree = hasChanged || nowMs >= state.notBeforeMs;
  const due = wanted && isFree;

  function onceMoreAtMs(): number {
    if (wanted && !due) return nowMs; // What is wanted and cannot be fetched now stays wanted.
    if (before === undefined || changedVersions || isReplaced || settledJustNow) return nowMs + ONCE_MORE_AFTER_MS;
    return nowMs >= state.onceMoreAtMs ? Infinity : state.onceMoreAtMs;
  }

  return {
    due,
    hasChanged,
    state: {
      refreshAtMs: state.refreshAtMs,
      signature: state.signature,
      seen: signature,
      versions,
      units: app.units,
      ...(unsettledSinceMs === undefined ? {} : { unsettledSinceMs }),
      onceMoreAtMs: onceMoreAtMs(),
      failures: hasChanged ? 0 : state.failures,
      notBeforeMs: isFree ? 0 : state.notBeforeMs,
      ...(state.changedMeanwhile === true ? { changedMeanwhile: true } : {}),
    },
  };
}

/** The state of an app that an earlier agent knew, whose details are asked for again: a change of versions since then is one. */
export function remembered(app: KnownApp): DetailsState {
  return { ...NEVER_ASKED, versions: versionsOf(app), units: app.units };
}

/** While they are asked for: what the list said then need not be asked again, what it says from now on does. */
export function asked(app: KnownApp, state: DetailsState): DetailsState {
  return { ...state, signature: signatureOf(app), refreshAtMs: Infinity, changedMeanwhile: false };
}

/** After the details were reported. `random` (0 to 1) spreads the refreshes of many apps over the last fifth of their time. */
export function told(app: KnownApp, state: DetailsState, nowMs: number, random: number): DetailsState {
  const refreshAtMs = nowMs + REFRESH_MS * (1 - random / 5);
  return { ...state, refreshAtMs, signature: signatureOf(app), failures: 0, notBeforeMs: 0 };
}

/** When the details of everything are requested, whatever was reported or failed before. */
export function askAgain(state: DetailsState): DetailsState {
  return { ...state, refreshAtMs: -Infinity, failures: 0, notBeforeMs: 0 };
}

/** After they could not be had: later and later, as each of these calls is dear to Tsuru; at once where the app is another one by now. */
export function failed(state: DetailsState, nowMs: number): DetailsState {
  if (state.changedMeanwhile === true) return { ...state, failures: 0, notBeforeMs: 0, onceMoreAtMs: nowMs };
  const waitMs = Math.min(REFRESH_MS, FIRST_RETRY_MS * 2 ** state.failures);
  return { ...state, failures: state.failures + 1, notBeforeMs: nowMs + waitMs, onceMoreAtMs: nowMs };
}

/** What of the list hints at other ports: the versions and processes of the units, and the app's annotations. */
function signatureOf({ app, units }: KnownApp): string {
  const kinds = new Set(units.map(({ process, version }) => `${process} ${version}`));
  const annotations = Object.entries(app.annotations).sort(([a], [b]) => compareText(a, b));
  return JSON.stringify([[...kinds].sort(compareText), annotations]);
}

/** How many units are new, have gone, and are still there. One that has an address only now is new. */
function compareUnits(before: readonly Unit[], units: readonly Unit[]): Record<'added' | 'removed' | 'kept', number> {
  if (before === units) return { added: 0, removed: 0, kept: units.length };
  const keyOf = ({ id, internalIp, hostPort }: Unit): string => `${id} ${internalIp} ${hostPort}`;
  const old = new Set(before.map(keyOf));
  const oldIds = new Set(before.map(({ id }) => id));
  const ids = new Set(units.map(({ id }) => id));
  return {
    added: units.filter((unit) => !old.has(keyOf(unit))).length,
    removed: before.filter(({ id }) => !ids.has(id)).length,
    kept: units.filter(({ id }) => oldIds.has(id)).length,
  };
}

function versionsOf({ units }: KnownApp): string[] {
  return [...new Set(units.map(({ version }) => version))].sort(compareText);
}
