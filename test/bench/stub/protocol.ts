/** Has the stub replace a unit; it answers with a Change. */
export const REPLACE_UNIT = '/bench/replace-unit';

/** An answer that the stub gave. Times are moments of `monotonicMs`. */
export interface Answer {
  readonly path: string;
  /** When the request's head had come. */
  readonly startedMs: number;
  /** When the whole answer was in the kernel's hands. */
  readonly endedMs: number;
  /** Of the answer on the wire, its head included. */
  readonly bytes: number;
}

/** A change of the apps: an answer that started at or after this moment has it. */
export interface Change {
  readonly unit: string;
  readonly atMs: number;
}

/** What the stub prints, a line each. */
export type Line = { readonly url: string } | { readonly answer: Answer };
