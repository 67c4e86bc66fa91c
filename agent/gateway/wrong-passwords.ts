/** Holds answers to wrong passwords back. */
export interface WrongPasswords {
  /** Resolves with true after a while, together with all others; with false at once when too many wait already. */
  wait(): Promise<boolean>;
  /** Lets all go. */
  close(): void;
}

/**
 * Behind Tsuru's router all clients have one address, so nothing can be counted by client: those who guess are slowed as one, and those
 * who know the password never meet this. It does not replace a long random password; it keeps guessing dear and visible.
 */
export function createWrongPasswords(everyMs: number, most: number): WrongPasswords {
  let waiting: (() => void)[] = [];
  let timer: NodeJS.Timeout | undefined;

  function release(): void {
    clearTimeout(timer);
    timer = undefined;
    const released = waiting;
    waiting = [];
    released.forEach((resolve) => {
      resolve();
    });
  }

  return {
    wait() {
      if (waiting.length >= most) return Promise.resolve(false);
      timer ??= setTimeout(release, everyMs);
      return new Promise((resolve) => {
        waiting.push(() => {
          resolve(true);
        });
      });
    },
    close: release,
  };
}
