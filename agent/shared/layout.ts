import { WAL_BYTES_PER_SAMPLE, walRanges } from './wal.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const MINUTE_MS = 60_000;

/** What Prometheus takes in: series that are scraped, and samples of them. */
export interface Load {
  readonly series: number;
  readonly samplesPerSecond: number;
}

/** How Prometheus divides a volume. */
export interface Layout {
  /** Of a block that is cut from the head. */
  readonly rangeMs: number;
  /** Of a block that others were merged into; the range where none are merged. */
  readonly longestMs: number;
  /** Of block chunks, whole preallocated. */
  readonly chunkSegmentMib: number;
  readonly walSegmentMib: number;
}

/** A sample in a chunk. */
export const CHUNK_BYTES_PER_SAMPLE = 2.75;
/** A series in the WAL or its checkpoint, compressed. */
export const WAL_BYTES_PER_SERIES = 60;
/** What a chunk takes in the head's files besides its samples. */
export const HEAD_CHUNK_BYTES = 40;
/** What the head's chunk files hold at most, in block ranges: the head is cut at one and a half, and its files go only whole. */
export const HEAD_RANGES = 3;
/** A series in a block's index, and each of its chunks there: 105 bytes with one chunk, 121 with four, 159 with nine measured. */
export const INDEX_BYTES_PER_SERIES = 98;
export const INDEX_BYTES_PER_CHUNK = 7;
/** Prometheus closes a chunk at about this many samples. */
const SAMPLES_PER_CHUNK = 120;

/** Of the volume, what WAL and head may take: the rest of the retention is for blocks, or none would ever be kept. */
export const HEAD_SHARE = 0.4;
/** Of the retention, what WAL and head may take of a load for which there is a choice: more would shorten what is kept. */
const CHOSEN_HEAD_SHARE = 0.2;
/** Of the retention, what the longest block may take, and its copy while it is merged: so much goes at once when it is deleted. */
const LONGEST_SHARE = 0.1;
/** Of the volume, what may be taken when it is fullest, before blocks are deleted: below the watchdog's 85 %. */
export const PEAK_SHARE = 0.8;
/** Of the retention's time, the same: Prometheus deletes whole blocks only. */
const LONGEST_TIME_SHARE = 0.1;
/** Prometheus merges up to three blocks of a range into one of the next. */
const MERGED_AT_ONCE = 3;
/** Prometheus' own limit of a merged block: 31 days. */
const LONGEST_MS = 31 * 24 * 60 * MINUTE_MS;

/**
 * Half a block range behind the newest sample nothing is stored in order. Apps may be ten minutes ahead, and a scrape takes its time: with
 * half an hour, one app's clock costs no other app a sample.
 */
export const SAFE_RANGE_MS = 30 * MINUTE_MS;
/** Ranges to choose from, above the shortest of a volume. */
const RANGES_MS = [120 * MINUTE_MS, 60 * MINUTE_MS, SAFE_RANGE_MS];

/** The shortest block range of a volume below a size, which holds the highest load. */
const SHORTEST = [
  { belowBytes: 128 * MIB, rangeMs: 5 * MINUTE_MS, chunkSegmentMib: 1 },
  { belowBytes: 256 * MIB, rangeMs: 8 * MINUTE_MS, chunkSegmentMib: 2 },
  { belowBytes: 512 * MIB, rangeMs: 10 * MINUTE_MS, chunkSegmentMib: 4 },
  { belowBytes: 1 * GIB, rangeMs: 15 * MINUTE_MS, chunkSegmentMib: 8 },
  { belowBytes: 2 * GIB, rangeMs: 20 * MINUTE_MS, chunkSegmentMib: 16 },
  { belowBytes: 4 * GIB, rangeMs: SAFE_RANGE_MS, chunkSegmentMib: 32 },
] as const;
const LARGEST = { rangeMs: SAFE_RANGE_MS, chunkSegmentMib: 64 } as const;
/** The least that Prometheus takes; and its default of 128 MiB, where a range fills several of those. */
const WAL_SEGMENT_MIB = { small: 10, large: 128 } as const;
const LARGE_FROM_BYTES = 4 * GIB;

/** The layout for the highest load of a volume: short blocks, of which none are merged. */
export function shortestLayout(dataBytes: number): Layout {
  const { rangeMs, chunkSegmentMib } = SHORTEST.find(({ belowBytes }) => dataBytes < belowBytes) ?? LARGEST;
  const walSegmentMib = dataBytes < LARGE_FROM_BYTES ? WAL_SEGMENT_MIB.small : WAL_SEGMENT_MIB.large;
  return { rangeMs, longestMs: rangeMs, chunkSegmentMib, walSegmentMib };
}

/** What a layout is chosen for. */
export interface Wanted {
  readonly dataBytes: number;
  /** What WAL, head and blocks may take together. */
  readonly retentionBytes: number;
  readonly retentionMs: number;
  readonly load: Load;
}

/**
 * The layout for a load: the longest blocks that leave most of the retention to blocks, so that late timestamps and outages of a receiver
 * are bridged as long as can be; and of merged blocks, which take less for a sample, the longest that the retention can spare.
 */
export function layoutFor(wanted: Wanted): Layout {
  const shortest = shortestLayout(wanted.dataBytes);
  const ranges = RANGES_MS.filter((rangeMs) => rangeMs > shortest.rangeMs);
  const rangeMs = ranges.find((range) => holdsRange(wanted, { ...shortest, rangeMs: range })) ?? shortest.rangeMs;
  const layout = { ...shortest, rangeMs };
  const mostMs = Math.min(LONGEST_MS, wanted.retentionMs * LONGEST_TIME_SHARE);
  let longestMs = rangeMs;
  for (;;) {
    const nextMs = longestMs * MERGED_AT_ONCE;
    if (nextMs > mostMs || !holdsMerged(wanted, { ...layout, longestMs: nextMs })) return { ...layout, longestMs };
    longestMs = nextMs;
  }
}

/**
 * What there can be of a layout after so much time: WAL and head with what was taken in since, 10.75 bytes a sample, which is at most what
 * headBytes counts for a range of half that time (24 bytes and more); and no merged block that is longer.
 */
export function grown({ rangeMs, longestMs, ...layout }: Layout, ageMs: number): Layout {
  const grownMs = Math.min(rangeMs, ageMs / 2);
  let mergedMs = ageMs < rangeMs ? grownMs : rangeMs;
  while (mergedMs >= rangeMs && mergedMs * MERGED_AT_ONCE <= Math.min(longestMs, ageMs)) mergedMs *= MERGED_AT_ONCE;
  return { ...layout, rangeMs: grownMs, longestMs: mergedMs };
}

/** Whether a layout still serves a load. */
export function isHeld(wanted: Wanted, layout: Layout): boolean {
  const { rangeMs, longestMs } = layout;
  const isShortest = rangeMs <= shortestLayout(wanted.dataBytes).rangeMs;
  return (isShortest || holdsRange(wanted, layout)) && (longestMs <= rangeMs || holdsMerged(wanted, layout));
}

/** Whether a new block and a merge fit above a retention. */
export function holdsPeak({ dataBytes, retentionBytes, load }: Wanted, layout: Layout): boolean {
  return retentionBytes * (1 + LONGEST_SHARE) + passingBytes(load, layout) <= dataBytes * PEAK_SHARE;
}

function holdsRange({ dataBytes, retentionBytes, load }: Wanted, layout: Layout): boolean {
  const bytes = headBytes(load, layout);
  if (bytes <= retentionBytes * CHOSEN_HEAD_SHARE) return true;
  return layout.rangeMs <= SAFE_RANGE_MS && bytes <= dataBytes * HEAD_SHARE;
}

function holdsMerged({ dataBytes, retentionBytes, load }: Wanted, layout: Layout): boolean {
  const roomBytes = dataBytes * PEAK_SHARE - retentionBytes - passingBytes(load, layout);
  const bytes = blockBytes(load, layout.longestMs, layout.rangeMs);
  return bytes <= Math.min(retentionBytes * LONGEST_SHARE, roomBytes);
}

/** What WAL and head take at most. */
export function headBytes({ series, samplesPerSecond }: Load, { rangeMs, walSegmentMib }: Layout): number {
  const ranges = walRanges({ rangeMs, segmentBytes: walSegmentMib * MIB, samplesPerSecond });
  const perSample = ranges * WAL_BYTES_PER_SAMPLE + HEAD_RANGES * CHUNK_BYTES_PER_SAMPLE;
  const perSeries = 2 * WAL_BYTES_PER_SERIES + HEAD_RANGES * HEAD_CHUNK_BYTES;
  return series * perSeries + samplesPerSecond * (rangeMs / 1000) * perSample;
}

/** What comes above the retention before blocks are deleted: a block of the head with the WAL that it frees, and a chunk segment. */
function passingBytes({ series, samplesPerSecond }: Load, { rangeMs, chunkSegmentMib }: Layout): number {
  const perSeries = INDEX_BYTES_PER_SERIES + INDEX_BYTES_PER_CHUNK + WAL_BYTES_PER_SERIES + HEAD_CHUNK_BYTES;
  const perSample = WAL_BYTES_PER_SAMPLE + 2 * CHUNK_BYTES_PER_SAMPLE;
  return series * perSeries + samplesPerSecond * (rangeMs / 1000) * perSample + chunkSegmentMib * MIB;
}

/** What one block of so much time takes that was merged of blocks of a range. */
export function blockBytes({ series, samplesPerSecond }: Load, spanMs: number, rangeMs: number): number {
  const samplesPerRange = series === 0 ? 0 : (samplesPerSecond * rangeMs) / 1000 / series;
  const chunks = Math.ceil(samplesPerRange / SAMPLES_PER_CHUNK) * Math.max(1, spanMs / rangeMs);
  const samples = (samplesPerSecond * spanMs) / 1000;
  return series * (INDEX_BYTES_PER_SERIES + INDEX_BYTES_PER_CHUNK * chunks) + samples * CHUNK_BYTES_PER_SAMPLE;
}

/** What so much time of a load takes: WAL, head and blocks, of which the oldest goes whole. */
export function bytesFor(load: Load, retentionMs: number, layout: Layout): number {
  const blocks = (retentionMs + layout.longestMs) / layout.longestMs;
  return headBytes(load, layout) + blocks * blockBytes(load, layout.longestMs, layout.rangeMs);
}
