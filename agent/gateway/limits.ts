/** What a gateway allows, unless a test wants it to be less. Times are in milliseconds. */
export const LIMITS = {
  /** Many more than the people and dashboards of one instance need; an idle connection takes some 10 kB. */
  connections: 512,
  /** Connections that have shown the password stay open up to this number; 64 are always left for health checks and for those who come. */
  connectionsProtected: 448,
  /** A GET carries its query in its first line: twice what Node takes by default. */
  headerBytes: 32 * 1024,
  /** A query is a text of at most some kilobytes; the longest that dashboards were seen to send are below 100 kB. */
  bodyBytes: 1024 * 1024,
  /** All bodies in memory together: an eighth of what the agent has, and far more than all queries of a few dashboards. */
  bodiesBytes: 16 * 1024 * 1024,
  /** From the connection, or the last answer's successor, until all headers are there: they fit into a few packets. */
  headersMs: 10_000,
  /** Until the body is there as well: 1 MB at 35 kB/s. */
  requestMs: 30_000,
  /** How long an idle connection is kept: longer than routers keep theirs (60 s), so that they never use one that is being closed. */
  keepAliveMs: 65_000,
  /** Prometheus answers 20 queries at once by default: 4 of them stay for its rules. The agent's own answers as many as its memory allows. */
  queriesAtOnce: 16,
  /** A dashboard of 30 panels sends 30 queries at once, so two of them may wait. */
  queriesWaiting: 64,
  /** The longest wait for the first byte of an answer. */
  queryWaitMs: 10_000,
  /** The Retry-After of a 429. */
  retryAfterMs: 5_000,
  /** Prometheus aborts a query after 2 minutes and answers that; 10 s more, so that this answer arrives. */
  answerMs: 130_000,
  /** From the first byte of an answer to its last: 10 MB at 90 kB/s. It bounds those who read slowly. */
  transferMs: 120_000,
  /** A client that reads nothing for this long has gone or is hostile. The kernel shows reading in steps of up to 64 kB. */
  stallMs: 10_000,
  /** Open streams of notifications: one for each open tab of the UI. */
  liveStreams: 32,
  /** A stream whose client vanished ends by then; the UI opens a new one by itself. */
  liveStreamMs: 15 * 60_000,
  /** How late a wrong password is answered. Guessing is hopeless by the password's length; this keeps it dear and visible. */
  wrongPasswordMs: 1_000,
  /** How long answers under way may take when the gateway closes: less than the 10 s that Tsuru's routers need to notice. */
  closeMs: 5_000,
} as const;

export type Limits = Readonly<Record<keyof typeof LIMITS, number>>;
