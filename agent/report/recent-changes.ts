import type { RecentChange } from '../page/facts.ts';

/** So many fit on a page, and are of today or yesterday on most days. */
const KEPT = 30;

/** The last changes, the newest first. They are in memory only: a restart of the agent forgets them. */
export interface RecentChanges {
  readonly add: (text: string) => void;
  readonly list: () => readonly RecentChange[];
}

export function createRecentChanges(wallMs: () => number): RecentChanges {
  let changes: readonly RecentChange[] = [];
  return {
    add(text) {
      changes = [{ atMs: wallMs(), text }, ...changes].slice(0, KEPT);
    },
    list: () => changes,
  };
}
