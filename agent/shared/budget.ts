import { formatDuration } from './duration.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** What a container gives its Prometheus; undefined is what is not known. */
export interface Resources {
  readonly memoryLimitBytes: number | undefined;
  /** Where the data go. A tmpfs counts against the memory. */
  readonly volume: { readonly kind: 'tmpfs' | 'disk' | 'unknown'; readonly sizeBytes: number | undefined };
  /** What else runs in the container. */
  readonly agentBytes: number;
  /** What the instance's owner wants; never exceeded, but cut to what fits. */
  readonly settings: { readonly retentionSizeBytes?: number | undefined };
}

/**
 * What can be held: so many series scraped endlessly seldom, or so many samples a second of hardly any series, and what lies between
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
  /** Of WAL, head and blocks together, as Prometheus counts. */
  readonly retentionSizeBytes: number | undefined;
  /** Of the command line, without the retention (retentionIsReloadable). */
  readonly flags: readonly string[];
  /** None is without limit. */
  readonly limits: readonly Limit[];
  /** What does not fit at all, with the sum. */
  readonly problems: readonly string[];
}

/** GOMEMLIMIT is what Go aims at; the rest is what it does not count, and what it overshoots by before it has collected. */
const GO_MEMORY_SHARE = 0.9;
/** Live memory above this share of GOMEMLIMIT has Go collect garbage without end; queries need room, too. */
const LIVE_SHARE = 0.65;
/** What Prometheus has in use before it scrapes anything. */
const BASE_HEAP_BYTES = 40 * MIB;
/** Heap for a series in the head, measured with labels of about 250 bytes. */
const HEAP_BYTES_PER_SERIES = 4_500;
/** Heap for a sample a second: the parser's and the appender's buffers, measured. */
const HEAP_BYTES_PER_RATE = 2_000;
/** A deploy replaces every unit's series, and the old ones stay in the head until it is cut. */
const CHURN = 1.5;
/** Prometheus' own series and the agent's, at the least interval of a base configuration. */
const OWN_SERIES = 1_200;
/** Below this many series an instance is of no use. */
const LEAST_SERIES = 2_000;

/** Of the volume, what WAL, head and blocks may take when blocks are deleted. */
const RETENTION_SHARE = 0.55;
/** Of the volume, what may be taken in the moment when it is fullest: below the watchdog's 85 %. */
const PEAK_SHARE = 0.8;
/** Of the volume, what WAL and head may take: the rest of the retention is for blocks, or no data older than the head would be kept. */
const HEAD_SHARE = 0.4;

/** A sample in the WAL, compressed, measured with values of which a fifth hardly compress. */
const WAL_BYTES_PER_SAMPLE = 8.3;
/** A sample in a full chunk, of the same values. */
const CHUNK_BYTES_PER_SAMPLE = 3;
/** What the WAL keeps, in block ranges: a head is cut at one and a half, and then two thirds of the segments at most go. */
const WAL_RANGES = 3;
/** A series in the WAL or its checkpoint, compressed. */
const WAL_BYTES_PER_SERIES = 60;
/** A series in the index of a block. */
const INDEX_BYTES_PER_SERIES = 100;

/** Block ranges by the size of the volume: the longer, the less room a sample takes in blocks and the more in the WAL. */
const RANGES: readonly { readonly belowBytes: number; readonly rangeMs: number }[] = [
  { belowBytes: 128 * MIB, rangeMs: 5 * 60_000 },
  { belowBytes: 512 * MIB, rangeMs: 10 * 60_000 },
  { belowBytes: 2 * GIB, rangeMs: 30 * 60_000 },
  { belowBytes: 4 * GIB, rangeMs: 60 * 60_000 },
];
/** The least WAL segment that Prometheus takes. */
const SMALL_WAL_SEGMENT = '10MB';

/** How a Prometheus is run with these resources. Pure: the broker asks the same of a plan before there is an instance. */
export function budgetOf({ memoryLimitBytes, volume, agentBytes, settings }: Resources): Budget {
  const problems: string[] = [];
  const leastHeapBytes = BASE_HEAP_BYTES + LEAST_SERIES * CHURN * HEAP_BYTES_PER_SERIES;
  const leastGoBytes = leastHeapBytes / LIVE_SHARE / GO_MEMORY_SHARE;
  let dataBytes = volume.sizeBytes;
  let goMemLimitBytes: number | undefined;
  if (memoryLimitBytes !== undefined) {
    const tmpfsBytes = volume.kind === 'tmpfs' ? (volume.sizeBytes ?? 0) : 0;
    const neededBytes = agentBytes + leastGoBytes + tmpfsBytes;
    if (neededBytes > memoryLimitBytes) problems.push(sumOf(memoryLimitBytes, agentBytes, leastGoBytes, tmpfsBytes));
    // A tmpfs that would take the heap's memory is used in part.
    const left = Math.max(0, memoryLimitBytes - agentBytes);
    const usedTmpfsBytes = Math.min(tmpfsBytes, left / 2);
    if (volume.kind === 'tmpfs' && dataBytes !== undefined)
      dataBytes = neededBytes > memoryLimitBytes ? usedTmpfsBytes : dataBytes;
    goMemLimitBytes = Math.floor((left - (volume.kind === 'tmpfs' ? (dataBytes ?? 0) : 0)) * GO_MEMORY_SHARE);
  }
  const rangeMs =
    dataBytes === undefined ? undefined : RANGES.find(({ belowBytes }) => dataBytes < belowBytes)?.rangeMs;
  const limits: Limit[] = [];
  if (goMemLimitBytes !== undefined) limits.push(memoryLimit(goMemLimitBytes));
  if (dataBytes !== undefined) limits.push(volumeLimit(dataBytes, rangeMs ?? 2 * 3_600_000));
  return {
    goMemLimitBytes,
    retentionSizeBytes: retentionOf(dataBytes, settings.retentionSizeBytes),
    flags: rangeMs === undefined ? [] : flagsOf(rangeMs),
    limits,
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

function memoryLimit(goMemLimitBytes: number): Limit {
  const bytes = Math.max(0, goMemLimitBytes * LIVE_SHARE - BASE_HEAP_BYTES);
  return {
    of: 'memory',
    series: Math.max(1, bytes / (CHURN * HEAP_BYTES_PER_SERIES) - OWN_SERIES),
    samplesPerSecond: Math.max(1, bytes / HEAP_BYTES_PER_RATE),
  };
}

function volumeLimit(dataBytes: number, rangeMs: number): Limit {
  const seconds = rangeMs / 1000;
  const headPerSeries = WAL_BYTES_PER_SERIES * 2;
  const headPerRate = seconds * (WAL_RANGES * WAL_BYTES_PER_SAMPLE + 1.5 * CHUNK_BYTES_PER_SAMPLE);
  const growthPerSeries = INDEX_BYTES_PER_SERIES + WAL_BYTES_PER_SERIES;
  const growthPerRate = seconds * (WAL_BYTES_PER_SAMPLE + 2 * CHUNK_BYTES_PER_SAMPLE);
  const growthBytes = dataBytes * (PEAK_SHARE - RETENTION_SHARE);
  const headBytes = dataBytes * HEAD_SHARE;
  return {
    of: 'volume',
    series: Math.max(1, Math.min(headBytes / headPerSeries, growthBytes / growthPerSeries) / CHURN - OWN_SERIES),
    samplesPerSecond: Math.max(1, Math.min(headBytes / headPerRate, growthBytes / growthPerRate)),
  };
}

function retentionOf(dataBytes: number | undefined, wanted: number | undefined): number | undefined {
  if (dataBytes === undefined) return wanted;
  const fits = Math.floor((dataBytes * RETENTION_SHARE) / MIB) * MIB;
  return wanted === undefined ? fits : Math.min(wanted, fits);
}

function flagsOf(rangeMs: number): string[] {
  const range = formatDuration(rangeMs);
  return [
    `--storage.tsdb.min-block-duration=${range}`,
    // Blocks are never merged: that would take the room of those that are merged once more.
    `--storage.tsdb.max-block-duration=${range}`,
    `--storage.tsdb.wal-segment-size=${SMALL_WAL_SEGMENT}`,
    `--storage.tsdb.max-block-chunk-segment-size=4MB`,
  ];
}

function sumOf(limit: number, agent: number, heap: number, tmpfs: number): string {
  const data = tmpfs === 0 ? '' : `, the tmpfs with the data ${mib(tmpfs)}`;
  return `the memory limit of ${mib(limit)} is too low: the agent takes ${mib(agent)}, Prometheus at least ${mib(heap)}${data}, together ${mib(agent + heap + tmpfs)}`;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / MIB).toLocaleString('en-US')} MiB`;
}

/** The first Prometheus that reads `storage.tsdb.retention` of its configuration well: 3.8 to 3.10 take times for a million times as long. */
const RELOADABLE_SINCE = [3, 11] as const;

/** Whether the retention can be part of prometheus.yml, where a reload changes it, or is a flag, where a restart of Prometheus does. */
export function retentionIsReloadable(prometheusVersion: string): boolean {
  const [major = 0, minor = 0] = prometheusVersion.split('.').map(Number);
  return major > RELOADABLE_SINCE[0] || (major === RELOADABLE_SINCE[0] && minor >= RELOADABLE_SINCE[1]);
}
