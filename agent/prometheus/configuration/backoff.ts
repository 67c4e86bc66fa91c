/** The waits before something that failed is tried again: doubled from the first to the last. */
export interface Backoff {
  /** How long to wait now, as it has failed again. */
  readonly failed: () => number;
  /** How often it has failed in a row. */
  readonly failures: () => number;
  readonly reset: () => void;
}

export function createBackoff(firstMs: number, lastMs: number): Backoff {
  let failures = 0;
  return {
    failed: () => Math.min(lastMs, firstMs * 2 ** failures++),
    failures: () => failures,
    reset() {
      failures = 0;
    },
  };
}
