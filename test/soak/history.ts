/** What was done in a batch, and when: what repeats a failure. */
export interface History {
  readonly lines: readonly string[];
  note(line: string): void;
  /** Milliseconds since the batch began. */
  ageMs(): number;
}

export function createHistory(): History {
  const begunAtMs = performance.now();
  const lines: string[] = [];
  const ageMs = (): number => performance.now() - begunAtMs;
  return {
    lines,
    ageMs,
    note: (line) => {
      lines.push(`+${(ageMs() / 1000).toFixed(2).padStart(6)} s  ${line}`);
    },
  };
}

/** What does not hold, in a few lines. */
export class SoakFailure extends Error {
  override readonly name = 'SoakFailure';
}
