import type { Log } from '../shared/log.ts';
import { formatDuration } from '../shared/duration.ts';

/** Something that is wrong at present. */
export interface Trouble {
  readonly key: string;
  readonly text: string;
  readonly sinceMs: number;
}

/** What is wrong at present: one line in the log when it starts and one when it ends, however often it is seen in between. */
export interface Troubles {
  /** `key` names the kind of problem; the text may vary while it lasts. It began now, or when `sinceMs` says. */
  begin(key: string, text: string, fields?: Readonly<Record<string, unknown>>, sinceMs?: number): void;
  /** Ends a problem if it is there; `text` says what works again. */
  end(key: string, text: string): void;
  current(): readonly Trouble[];
}

/** @param isStopping Whether the agent stops: what it aborts then, or what stops beside it, is no problem. */
export function createTroubles(log: Log, wallMs: () => number, isStopping = (): boolean => false): Troubles {
  const current = new Map<string, Trouble>();
  return {
    begin(key, text, fields = {}, sinceMs = wallMs()) {
      if (isStopping()) return;
      const before = current.get(key);
      current.set(key, { key, text, sinceMs: before?.sinceMs ?? sinceMs });
      if (before === undefined) log.warn(fields, text);
    },
    end(key, text) {
      const before = current.get(key);
      if (before === undefined) return;
      current.delete(key);
      const lasted = Math.max(0, Math.round((wallMs() - before.sinceMs) / 1000)) * 1000;
      log.info(`${text} (after ${formatDuration(lasted)})`);
    },
    current: () => [...current.values()],
  };
}
