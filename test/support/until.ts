import { setTimeout as wait } from 'node:timers/promises';

/** Much longer than anything takes here: a machine that is busy with other tests may be several times slower. */
const USUAL_LIMIT_MS = 60_000;
/** How often a condition is looked at. */
const LOOK_EVERY_MS = 50;

/** Looks until there is a result, and returns it; fails with what was waited for, and the last error, when it takes too long. */
export async function until<T>(
  what: string,
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  timeoutMs = USUAL_LIMIT_MS,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const result = await look();
      if (result !== undefined && result !== null && result !== false) return result;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > deadline)
      throw new Error(`waited ${timeoutMs / 1000} s in vain for: ${what}`, { cause: lastError });
    await wait(LOOK_EVERY_MS);
  }
}
