import type { Summary } from './statistics.ts';

/** Milliseconds with as many digits as mean something. */
export function ms(value: number): string {
  return value < 10 ? value.toFixed(1) : grouped(value);
}

/** A whole number as people read it: 10,000. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** The cells for `min`, `median` and `p95`. */
export function cellsOf({ min, median, p95 }: Summary): [string, string, string] {
  return [ms(min), ms(median), ms(p95)];
}
