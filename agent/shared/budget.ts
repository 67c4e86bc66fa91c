import { formatDuration } from './duration.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const MINUTE_MS = 60_000;

/** What a container gives its Prometheus; undefined is what is not known. */
export interface Resources {
  readonly memoryLimitBytes: number | undefined;
  /** Where the data go. A tmpfs counts against the memory. */
  readonly volume: { readonly kind: 'tmpfs' | 'disk'; readonly sizeBytes: number | undefined };
  /** What else runs in the container. */
  readonly agentBytes: number;
  /** What the instance's owner wants of the volume: less than what fits, or it is cut to that. */
  readonly retentionSizeBytes?: number | undefined;
  /** For tests, which cannot wait for blocks as long as the volume's: the range of a block. */
  readonly blockRangeMs?: number | undefined;
}

/**
 * What can be held: so many series that are hardly ever scraped, or so many samples a second of hardly any series, or what lies between
 * (loadOf).
 */
export interface Limit {
  readonly of: 'memory' | 'volume';
  readonly series: number;
  readonly samplesPerSecond: number;
}

/** How Prometheus is started, and what may be scraped so that it never runs full. */
export interface Budget {
  /** For the environment variable GOMEMLIMIT. */
  readonly goMemLimitBytes: number | undefined;
  /** Of WAL, head and blocks together, as Prometheus counts. Where it goes depends on the version: retentionIsReloadable. */
  readonly retentionSizeBytes: number | undefined;
  /** Of the command line, without the retention. */
  readonly flags: readonly string[];
  /** None is without limit. */
  readonly limits: readonly Limit[];
  /** What does not fit at all, with the sum. */
  readonly problems: readonly string[];
}

/** GOMEMLIMIT is what Go aims at; the rest is for what it does not count, and for what it is above that for moments. */
const GO_MEMORY_SHARE = 0.9;
/** Live memory above this share of GOMEMLIMIT has Go collect garbage without end; queries need room, too. */
const LIVE_SHARE = 0.6;
/** What Prometheus has in use before it scrapes anything. */
const BASE_HEAP_BYTES = 20 * MIB;
/** Heap for a series in the head: 2,100 measured, and some for longer labels and full chunks. */
const HEAP_BYTES_PER_SERIES = 3_000;
/** Heap for a sample a second: the buffers of parser and appender. */
const HEAP_BYTES_PER_RATE = 200;
/** A deploy brings every unit's series anew, and the old ones stay in the head until it is cut. */
const CHURN = 1.25;
/** Prometheus' own series and the agent's. */
const OWN_SERIES = 1_500;
/** An instance that cannot hold this many series is of no use. */
const LEAST_SERIES = 2_000;

/** A sample in the WAL, compressed. */
const WAL_BYTES_PER_SAMPLE = 8;
/** A sample in a chunk. */
const CHUNK_BYTES_PER_SAMPLE = 2.5;
/** A series in the WAL or its checkpoint, compressed. */
const WAL_BYTES_PER_SERIES = 60;
/** A chunk's own in the head's files. */
const HEAD_CHUNK_BYTES = 40;
/** A series in the index of a block. */
const INDEX_BYTES_PER_SERIES = 125;
/** What the head holds, in block ranges: it is cut at one and a half. */
const HEAD_RANGES = 1.5;
/**
 * What the WAL holds at most, in block ranges. It is cut with the head, two thirds of its whole segments at a time: where a block range has
 * several segments that leaves less than three ranges, where it has one, only each second cut does anything.
 */
const WAL_RANGES = { fewSegments: 4.5, manySegments: 3 } as const;

/** Of the volume, what WAL, head and blocks may take when blocks are deleted. A large one is rather bound by the memory. */
const RETENTION_SHARE = { small: 0.55, large: 0.7 } as const;
const LARGE_FROM_BYTES = 4 * GIB;
/** Of the volume, what may be taken when it is fullest, before blocks are deleted: below the watchdog's 85 %. */
const PEAK_SHARE = 0.8;
/** Of the volume, what WAL and head may take: the rest of the retention is for blocks, or none would ever be kept. */
const HEAD_SHARE = 0.4;

/** How a volume below a size is used. The longer the blocks, the less they take for a sample, and the more the WAL does. */
interface Layout {
  readonly belowBytes: number;
  readonly rangeMs: number;
  /** Of block chunks, whole preallocated, in MiB. */
  readonly segmentMib: number;
  readonly walRanges: number;
}

const { fewSegments, manySegments } = WAL_RANGES;
const LARGEST: Layout = { belowBytes: Infinity, rangeMs: 120 * MINUTE_MS, segmentMib: 64, walRanges: manySegments };
const LAYOUTS: readonly Layout[] = [
  { belowBytes: 128 * MIB, rangeMs: 5 * MINUTE_MS, segmentMib: 1, walRanges: fewSegments },
  { belowBytes: 256 * MIB, rangeMs: 8 * MINUTE_MS, segmentMib: 2, walRanges: fewSegments },
  { belowBytes: 512 * MIB, rangeMs: 10 * MINUTE_MS, segmentMib: 4, walRanges: fewSegments },
  { belowBytes: 1 * GIB, rangeMs: 15 * MINUTE_MS, segmentMib: 8, walRanges: fewSegments },
  { belowBytes: 2 * GIB, rangeMs: 20 * MINUTE_MS, segmentMib: 16, walRanges: manySegments },
  { belowBytes: 4 * GIB, rangeMs: 30 * MINUTE_MS, segmentMib: 32, walRanges: manySegments },
  { belowBytes: 8 * GIB, rangeMs: 60 * MINUTE_MS, segmentMib: 64, walRanges: manySegments },
];
/** From this size on, blocks are merged up to this: there would be too many. */
const MERGED = { fromBytes: 16 * GIB, rangeMs: 18 * 60 * MINUTE_MS } as const;
/** The least segment that Prometheus takes; its default of 128 MiB for large volumes. */
const SMALL_WAL_SEGMENT_MIB = 10;

/** How Prometheus is run with these resources. Pure: the broker asks the same of a plan before there is an instance. */
export function budgetOf(resources: Resources): Budget {
  const { memoryLimitBytes, volume, agentBytes, retentionSizeBytes, blockRangeMs } = resources;
  const tmpfsBytes = volume.kind === 'tmpfs' ? (volume.sizeBytes ?? 0) : 0;
  const forGoBytes = (memoryLimitBytes ?? Infinity) - agentBytes - tmpfsBytes;
  const isTooSmall = forGoBytes < LEAST_GO_BYTES;
  // A tmpfs that leaves no memory to Prometheus is used in part.
  const usedTmpfsBytes = isTooSmall ? Math.min(tmpfsBytes, Math.max(0, forGoBytes + tmpfsBytes) / 2) : tmpfsBytes;
  const dataBytes = volume.kind === 'tmpfs' && tmpfsBytes > 0 ? usedTmpfsBytes : volume.sizeBytes;
  const goMemLimitBytes =
    memoryLimitBytes === undefined
      ? undefined
      : Math.floor(Math.max(0, memoryLimitBytes - agentBytes - usedTmpfsBytes) * GO_MEMORY_SHARE);
  const memory = goMemLimitBytes === undefined ? [] : [memoryLimit(goMemLimitBytes)];
  const problems =
    isTooSmall && memoryLimitBytes !== undefined ? [tooSmall(memoryLimitBytes, agentBytes, tmpfsBytes)] : [];
  if (dataBytes === undefined) return { goMemLimitBytes, retentionSizeBytes, flags: [], limits: memory, problems };
  const layout = layoutOf(dataBytes, blockRangeMs);
  const fitsBytes = Math.floor((dataBytes * retentionShare(dataBytes)) / MIB) * MIB;
  return {
    goMemLimitBytes,
    retentionSizeBytes: Math.min(retentionSizeBytes ?? Infinity, fitsBytes),
    flags: flagsOf(layout, dataBytes),
    limits: [...memory, volumeLimit(dataBytes, layout)],
    problems,
  };
}

/** How much of a budget so many series and samples a second take: above 1 it does not fit. */
export function loadOf(limits: readonly Limit[], series: number, samplesPerSecond: number): number {
  return Math.max(0, ...limits.map((limit) => series / limit.series + samplesPerSecond / limit.samplesPerSecond));
}

/** How many series fit when all are scraped at this interval; Infinity without limits. */
export function seriesAt(limits: readonly Limit[], intervalMs: number): number {
  return Math.floor(1 / loadOf(limits, 1, 1000 / intervalMs));
}

/** The first Prometheus whose `storage.tsdb.retention` in prometheus.yml can be relied on: 3.8 has it, with faults that 3.11 ended. */
const RELOADABLE_SINCE = { major: 3, minor: 11 } as const;

/** Whether the retention can be in prometheus.yml, where a reload changes it, or is a flag, where only a restart of Prometheus does. */
export function retentionIsReloadable(prometheusVersion: string): boolean {
  const [major = 0, minor = 0] = prometheusVersion.split('.').map(Number);
  return major > RELOADABLE_SINCE.major || (major === RELOADABLE_SINCE.major && minor >= RELOADABLE_SINCE.minor);
}

const LEAST_GO_BYTES =
  (BASE_HEAP_BYTES + (OWN_SERIES + LEAST_SERIES * CHURN) * HEAP_BYTES_PER_SERIES) / LIVE_SHARE / GO_MEMORY_SHARE;

function memoryLimit(goMemLimitBytes: number): Limit {
  const bytes = goMemLimitBytes * LIVE_SHARE - BASE_HEAP_BYTES - OWN_SERIES * HEAP_BYTES_PER_SERIES;
  return limitOf('memory', bytes, HEAP_BYTES_PER_SERIES, HEAP_BYTES_PER_RATE);
}

/** Two things must fit: WAL and head below the retention, and above it what comes before blocks are deleted. The tighter one counts. */
function volumeLimit(dataBytes: number, { rangeMs, segmentMib, walRanges }: Layout): Limit {
  const seconds = rangeMs / 1000;
  const merged = dataBytes < MERGED.fromBytes ? 0 : MERGED.rangeMs / rangeMs;
  const standing = limitOf(
    'volume',
    dataBytes * HEAD_SHARE,
    2 * WAL_BYTES_PER_SERIES + HEAD_RANGES * HEAD_CHUNK_BYTES,
    seconds * (walRanges * WAL_BYTES_PER_SAMPLE + HEAD_RANGES * CHUNK_BYTES_PER_SAMPLE),
  );
  const passing = limitOf(
    'volume',
    dataBytes * (PEAK_SHARE - retentionShare(dataBytes)) - segmentMib * MIB,
    INDEX_BYTES_PER_SERIES * (1 + merged) + WAL_BYTES_PER_SERIES + HEAD_CHUNK_BYTES,
    seconds * (WAL_BYTES_PER_SAMPLE + CHUNK_BYTES_PER_SAMPLE * (2 + merged)),
  );
  return {
    of: 'volume',
    series: Math.min(standing.series, passing.series),
    samplesPerSecond: Math.min(standing.samplesPerSecond, passing.samplesPerSecond),
  };
}

/** At least 1 of each, so that a load can be told. */
function limitOf(of: Limit['of'], bytes: number, bytesPerSeries: number, bytesPerRate: number): Limit {
  return {
    of,
    series: Math.max(1, Math.floor(bytes / CHURN / bytesPerSeries)),
    samplesPerSecond: Math.max(1, Math.floor(bytes / bytesPerRate)),
  };
}

function retentionShare(dataBytes: number): number {
  return dataBytes < LARGE_FROM_BYTES ? RETENTION_SHARE.small : RETENTION_SHARE.large;
}

function layoutOf(dataBytes: number, rangeMs: number | undefined): Layout {
  const layout = LAYOUTS.find(({ belowBytes }) => dataBytes < belowBytes) ?? LARGEST;
  return rangeMs === undefined ? layout : { ...layout, rangeMs };
}

function flagsOf({ rangeMs, segmentMib }: Layout, dataBytes: number): string[] {
  const longestMs = dataBytes < MERGED.fromBytes ? rangeMs : MERGED.rangeMs;
  const wal = dataBytes < LARGE_FROM_BYTES ? [`--storage.tsdb.wal-segment-size=${SMALL_WAL_SEGMENT_MIB}MB`] : [];
  return [
    `--storage.tsdb.min-block-duration=${formatDuration(rangeMs)}`,
    // Where blocks are merged, that takes the room of what is merged once more.
    `--storage.tsdb.max-block-duration=${formatDuration(longestMs)}`,
    `--storage.tsdb.max-block-chunk-segment-size=${segmentMib}MB`,
    ...wal,
  ];
}

function tooSmall(limitBytes: number, agentBytes: number, tmpfsBytes: number): string {
  const data = tmpfsBytes === 0 ? '' : `, the tmpfs with the data ${mib(tmpfsBytes)}`;
  const sum = agentBytes + LEAST_GO_BYTES + tmpfsBytes;
  return `${mib(limitBytes)} of memory are too few: the agent takes ${mib(agentBytes)}, Prometheus at least ${mib(LEAST_GO_BYTES)}${data}, together ${mib(sum)}; choose a plan with more memory`;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / MIB).toLocaleString('en-US')} MiB`;
}
