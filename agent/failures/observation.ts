/** What Prometheus runs, and what may fail though it was loaded without a complaint. */
export const FAILURE_KINDS = ['alertmanager', 'remote_write', 'rule', 'rule_group', 'limit', 'query'] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/** The state of one of them at an observation of Prometheus. */
export interface Observation {
  /** Its identity among others of its kind. */
  readonly key: string;
  /** Its name for people; it holds no secret. */
  readonly name: string;
  /** `idle`: it did nothing since the last look, or that is unknown. */
  readonly verdict: 'fails' | 'works' | 'idle';
  /** Whether it failed again since the last look; a state that only lasts is no new failure. */
  readonly isNew: boolean;
  /** Prometheus' message, without secrets. */
  readonly error?: string;
}
