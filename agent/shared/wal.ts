/** A sample in the WAL, compressed: 7.0 and 8.3 bytes measured (test/budget). */
export const WAL_BYTES_PER_SAMPLE = 8;

/** A write-ahead log as Prometheus keeps it: how long its block range is, how large a segment, and how much is written. */
export interface Wal {
  readonly rangeMs: number;
  readonly segmentBytes: number;
  readonly samplesPerSecond: number;
}

/** How long an outage of a receiver may last, from the worst moment to the best. */
export interface Outage {
  readonly leastMs: number;
  readonly mostMs: number;
}

/** A segment of the log, by when it was begun and ended; times are block ranges since the start. */
interface Segment {
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

/** A segment that was removed, and when. */
interface Removal extends Segment {
  readonly at: number;
}

/** The head is cut for the first time when it holds one and a half block ranges, then once a range. */
const FIRST_CUT = 1.5;
/** This many cuts show the whole pattern, also with one segment a range, of which every second cut removes two. */
const CUTS = 24;
/** What happened before this many ranges is the start, not the pattern. */
const SETTLED_AFTER = 6;
/** More segments in a range change the result by less than a percent. */
const MOST_SEGMENTS = 64;

/**
 * How long a receiver of remote_write may be away before a sample is lost: from the worst moment to the best.
 *
 * Each cut of the head removes two thirds of the segments before the newest, sent or not. The sender is within a segment and needs the
 * next one; when that is gone, it begins again at the present, and everything between is lost.
 */
export function outageBridged(wal: Wal): Outage {
  const { removals } = simulate(wal);
  let least = Infinity;
  let most = 0;
  for (const segment of removals) {
    const next = removals.find(({ number }) => number === segment.number + 1);
    if (next === undefined || segment.from < SETTLED_AFTER) continue;
    least = Math.min(least, next.at - segment.to);
    most = Math.max(most, next.at - segment.from);
  }
  return { leastMs: least * wal.rangeMs, mostMs: most * wal.rangeMs };
}

/** What the log holds at most, in block ranges. */
export function walRanges(wal: Wal): number {
  return simulate(wal).peak;
}

/** Prometheus' rule (Head.truncateWAL), over some cuts. */
function simulate({ rangeMs, segmentBytes, samplesPerSecond }: Wal): { removals: readonly Removal[]; peak: number } {
  const bytesPerRange = (samplesPerSecond * rangeMs * WAL_BYTES_PER_SAMPLE) / 1000;
  const length = Math.max(segmentBytes / Math.max(1, bytesPerRange), 1 / MOST_SEGMENTS);
  const removals: Removal[] = [];
  let closed: Segment[] = [];
  let open = { number: 0, from: 0 };
  let peak = 0;
  const close = (to: number): void => {
    closed.push({ ...open, to });
    open = { number: open.number + 1, from: to };
  };
  for (let cut = 0; cut < CUTS; cut += 1) {
    const at = FIRST_CUT + cut;
    while (open.from + length < at) close(open.from + length);
    const first = closed[0]?.number ?? open.number;
    const last = open.number - 1;
    peak = Math.max(peak, at - (closed[0]?.from ?? open.from));
    close(at);
    const upTo = first + Math.floor(((last - first) * 2) / 3);
    if (last < 0 || upTo <= first) continue;
    removals.push(...closed.filter(({ number }) => number <= upTo).map((segment) => ({ ...segment, at })));
    closed = closed.filter(({ number }) => number > upTo);
  }
  return { removals, peak };
}
