import { setTimeout as sleep } from 'node:timers/promises';

/** The mean pause between two visits, in ms: a few a second, so that graphs move. */
const PAUSE_MS = 300;
/** One visit of this many writes a comment. */
const COMMENT_EVERY = 5;

/** A little load: visits the demo app's pages until it is told to end. */
export async function visit(url: string, signal: AbortSignal): Promise<void> {
  for (let visits = 1; !signal.aborted; visits++) {
    // Jittered, so that the units of an app do not all look alike.
    await sleep(PAUSE_MS * 2 * Math.random(), undefined, { signal }).catch(() => undefined);
    const comment = visits % COMMENT_EVERY === 0;
    const path = comment ? '/api/comments' : pageAt(Math.random());
    await fetch(`${url}${path}`, { ...(comment ? { method: 'POST', body: `comment ${visits}` } : {}), signal })
      .then((response) => response.text())
      .catch(() => undefined);
  }
}

function pageAt(random: number): string {
  if (random < 0.4) return '/api/comments';
  return random < 0.7 ? '/api/checkout' : '/';
}
