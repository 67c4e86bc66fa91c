import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { errorCode, writeWhole } from '../system/files.ts';
import { parseSettings, readSettings, type SettingsInput } from '../shared/settings/settings.ts';
import type { Settings } from '../shared/settings/schema.ts';
import { errorText } from '../shared/text.ts';

const MODE = 0o600;
/** When settings that were refused are tried again though nothing changed: it may have been the disk, promtool, or the base configuration. */
const RETRY_MS = 60_000;

/** What became of an annotation. */
export type SettingsOutcome =
  | { readonly kind: 'accepted'; readonly settings: Settings }
  /** The old ones stay in force. */
  | { readonly kind: 'refused'; readonly problems: readonly string[] }
  /** They are in force, but would be lost with a restart while Tsuru is down. */
  | { readonly kind: 'not_saved'; readonly reason: string };

export interface InstanceSettingsOptions {
  readonly dataFolder: string;
  /** What the environment says for what the annotation does not. */
  readonly defaults: SettingsInput;
  readonly clock: Clock;
  /** What is wrong with a configuration made of these settings; undefined if nothing is. Rejects when the agent stops. */
  readonly check: (settings: Settings) => Promise<string | undefined>;
  readonly report: (event: { readonly kind: 'settings'; readonly outcome: SettingsOutcome }) => void;
  /** Aborted when the agent stops: then nothing is said of what is given up. */
  readonly stopping: AbortSignal;
}

/** The settings of this instance: those of the last annotation that could be used. */
export interface InstanceSettings {
  /** What is in force. */
  readonly current: () => Settings;
  /** Takes what was in force last from disk. Returns what is wrong with it. */
  restore(): Promise<string | undefined>;
  /** Takes the annotation as the last poll found it; undefined when it is not there. Resolves when it is in force or refused. */
  offer(annotation: string | undefined): Promise<void>;
}

/** @throws {Error} when the defaults are no settings. */
export function createInstanceSettings(options: InstanceSettingsOptions): InstanceSettings {
  const { dataFolder, defaults, clock, check, report, stopping } = options;
  const tell = (outcome: SettingsOutcome): void => {
    report({ kind: 'settings', outcome });
  };
  const path = join(dataFolder, 'settings.json');
  let current = settingsOf(defaults);
  /** The annotation that is in force, or was on disk. */
  let accepted: string | undefined;
  let saved: string | undefined;
  let refused: { readonly annotation: string | undefined; readonly retryAtMs: number } | undefined;
  /** What comes while another is looked at: only the newest counts. */
  let next: { readonly annotation: string | undefined } | undefined;
  let working: Promise<void> | undefined;

  function refuse(annotation: string | undefined, problems: readonly string[]): void {
    refused = { annotation, retryAtMs: clock.nowMs() + RETRY_MS };
    tell({ kind: 'refused', problems });
  }

  async function take(annotation: string | undefined): Promise<void> {
    if (refused !== undefined && refused.annotation === annotation && clock.nowMs() < refused.retryAtMs) return;
    if (annotation === undefined) {
      // Without any, the defaults are meant; but settings do not vanish because their annotation does.
      if (accepted === undefined && refused !== undefined) {
        refused = undefined;
        tell({ kind: 'accepted', settings: current });
      }
      if (accepted !== undefined)
        refuse(annotation, ['they are missing from the app: set them again with "tsuru service-instance-update"']);
      return;
    }
    if (annotation !== accepted || refused !== undefined) {
      const result = parseSettings(annotation, defaults);
      if (!result.ok) {
        refuse(annotation, result.problems);
        return;
      }
      const problem = await check(result.settings);
      if (problem !== undefined) {
        refuse(annotation, [problem]);
        return;
      }
      refused = undefined;
      accepted = annotation;
      current = result.settings;
      tell({ kind: 'accepted', settings: current });
    }
    await save(annotation);
  }

  async function takeAll(): Promise<void> {
    try {
      while (next !== undefined) {
        const { annotation } = next;
        next = undefined;
        try {
          await take(annotation);
        } catch (error) {
          if (stopping.aborted) return;
          refuse(annotation, [errorText(error)]);
        }
      }
    } finally {
      working = undefined;
    }
  }

  async function save(annotation: string): Promise<void> {
    if (saved === annotation) return;
    try {
      await writeWhole({ temporary: join(dataFolder, 'tmp', 'settings.json'), path, text: annotation, mode: MODE });
      saved = annotation;
    } catch (error) {
      tell({ kind: 'not_saved', reason: errorText(error) });
    }
  }

  return {
    current: () => current,
    async restore() {
      try {
        const text = await readFile(path, 'utf8');
        const result = parseSettings(text, defaults);
        if (!result.ok) return `the saved settings cannot be used: ${result.problems.join(' ')}`;
        current = result.settings;
        accepted = saved = text;
        return undefined;
      } catch (error) {
        return errorCode(error) === 'ENOENT' ? undefined : `the saved settings cannot be read: ${errorText(error)}`;
      }
    },
    offer(annotation) {
      next = { annotation };
      working ??= takeAll();
      return working;
    },
  };
}

function settingsOf(defaults: SettingsInput): Settings {
  const result = readSettings({}, { defaults });
  if (!result.ok) throw new Error(result.problems.join(' '));
  return result.settings;
}
