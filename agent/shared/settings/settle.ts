import { formatDuration } from '../duration.ts';
import { compareText } from '../text.ts';
import { formatBytes } from './bytes.ts';
import type { Json } from './node.ts';
import type { Problems } from './problems.ts';
import { SCHEMA, type Entry, type Settings } from './schema.ts';

/** What an annotation may take, in bytes of UTF-8: Kubernetes allows 256 KiB for all annotations of an object. */
export const LARGEST_BYTES = 64 * 1024;

export type SettingsResult =
  | {
      readonly ok: true;
      readonly settings: Settings;
      /** The annotation: everything that was given, by whom ever, in one canonical way. */
      readonly text: string;
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Values by the settings' keys; those with problems are not there. */
export type Values = ReadonlyMap<keyof Settings, unknown>;

/** A setting whose type is not looked at: what its kind reads is what its kind is given back. */
type AnyEntry = Entry<unknown> & { readonly key: keyof Settings };

export const ENTRIES = Object.entries(SCHEMA).map(([key, entry]) => ({ ...entry, key })) as readonly AnyEntry[];

export interface Sources {
  readonly user: Values;
  readonly plan: Values;
  readonly ceilings: Values;
}

/** The settings from all sources, unless there are problems. */
export function settle(problems: Problems, { user, plan, ceilings }: Sources): SettingsResult {
  const known = new Map<keyof Settings, unknown>();
  const given = new Set<keyof Settings>();
  for (const { key, name, kind, fallback } of ENTRIES) {
    const ceiling = ceilings.get(key);
    const value = user.get(key) ?? plan.get(key);
    if (value !== undefined) {
      known.set(key, value);
      given.add(key);
      const limit = kind.ceiling;
      if (ceiling === undefined || limit?.exceeds(value, ceiling) !== true) continue;
      const place = problems.place(`${user.has(key) ? '' : "the plan's "}${name}`);
      place.say(
        `cannot be used: ${limit.show(ceiling)} is ${limit.words} that the plan allows.`,
        undefined,
        limit.show(value),
      );
      continue;
    }
    const usual = fallback?.(Object.fromEntries(known));
    const beyond = ceiling !== undefined && (usual === undefined || kind.ceiling?.exceeds(usual, ceiling) === true);
    if (beyond) given.add(key);
    if (beyond || usual !== undefined) known.set(key, beyond ? ceiling : usual);
  }
  // Every value was read by its own kind, so that it has the type of its key.
  const settings = fit(Object.fromEntries(known) as unknown as Settings, user);
  checkTogether(settings, problems);
  if (problems.count() > 0) return { ok: false, problems: problems.list() };
  const text = write(settings, given);
  const size = Buffer.byteLength(text);
  if (size <= LARGEST_BYTES) return { ok: true, settings: Object.freeze(settings), text };
  problems.add(`the settings take ${size} bytes, but only ${LARGEST_BYTES} fit: shorten the longest, such as rules.`);
  return { ok: false, problems: problems.list() };
}

/** A plan's timeout is lowered to a shorter interval of the user. */
function fit(settings: Settings, user: Values): Settings {
  if (user.has('scrapeTimeoutMs')) return settings;
  return { ...settings, scrapeTimeoutMs: Math.min(settings.scrapeTimeoutMs, settings.scrapeIntervalMs) };
}

function checkTogether(settings: Settings, problems: Problems): void {
  const { scrapeIntervalMs, scrapeTimeoutMs, retentionSizeBytes, storageSizeBytes } = settings;
  if (scrapeTimeoutMs > scrapeIntervalMs) {
    problems.add(
      `scrape_timeout=${formatDuration(scrapeTimeoutMs)} cannot be used: it must not be above scrape_interval, which is ` +
        `${formatDuration(scrapeIntervalMs)}.`,
    );
  }
  if (retentionSizeBytes !== undefined && storageSizeBytes !== undefined && retentionSizeBytes > storageSizeBytes) {
    problems.add(
      `retention_size=${formatBytes(retentionSizeBytes)} cannot be used: it must not be above storage_size, which is ` +
        `${formatBytes(storageSizeBytes)}.`,
    );
  }
}

/** What was given, not the defaults of this version, sorted by name. */
function write(settings: Settings, given: ReadonlySet<keyof Settings>): string {
  const written = ENTRIES.flatMap(({ key, name, kind }): [string, Json][] =>
    given.has(key) ? [[name, kind.write(settings[key])]] : [],
  );
  return JSON.stringify(Object.fromEntries(written.sort(([a], [b]) => compareText(a, b))));
}
