/** Samples in short. */
export interface Summary {
  readonly n: number;
  readonly min: number;
  readonly median: number;
  /** The smallest sample that 95 % of them do not exceed; with few samples the largest. */
  readonly p95: number;
}

export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[Math.max(0, index)] ?? NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    n: sorted.length,
    min: at(0),
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    p95: at(Math.ceil(sorted.length * 0.95) - 1),
  };
}
