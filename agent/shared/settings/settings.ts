import { compareText } from '../text.ts';
import { VERSION } from '../version.ts';
import { formatBytes } from './bytes.ts';
import { formatDuration } from '../duration.ts';
import type { Kind } from './kinds.ts';
import { fromJson, type Json } from './node.ts';
import { createProblems, shown, type Problems } from './problems.ts';
import { SCHEMA, type Settings } from './schema.ts';
import { suggest } from './structure.ts';

/** The annotation of an instance's app in which its settings travel. */
export const SETTINGS_ANNOTATION = 'prometheus-service/settings';

/** What an annotation may take, in bytes of UTF-8: Kubernetes allows 256 KiB for all annotations of an object. */
const LARGEST_BYTES = 64 * 1024;

/** A setting as tables and help show it. */
export interface Setting {
  readonly name: string;
  readonly meaning: string;
  readonly default: string;
  readonly range: string;
}

export const SETTINGS: readonly Setting[] = Object.values(SCHEMA).map((entry) => ({
  name: entry.name,
  meaning: entry.meaning,
  default: entry.default,
  range: entry.kind.range,
}));

export type SettingsResult =
  | {
      readonly ok: true;
      readonly settings: Settings;
      /** The annotation: everything that was given, by whom ever, in one canonical way. */
      readonly text: string;
    }
  | { readonly ok: false; readonly problems: readonly string[] };

export type SettingsInput = Readonly<Record<string, unknown>>;

export interface SettingsOptions {
  /** A plan's settings, which the user's replace one by one. */
  readonly defaults?: SettingsInput;
  /** A plan's limits. What nobody gives is the default or the ceiling, whichever costs less. */
  readonly ceilings?: SettingsInput;
  /** Names in the input that are no settings, and are not looked at. */
  readonly others?: readonly string[];
}

/** Reads what a user gives over what a plan has. All problems come at once, each a sentence; no secret is in them. */
export function readSettings(input: SettingsInput, options: SettingsOptions = {}): SettingsResult {
  throw new Error(`not yet ${String([input, options])}`);
}

/** Reads the annotation, as the agent finds it. */
export function parseSettings(text: string): SettingsResult {
  throw new Error(`not yet ${text}`);
}
