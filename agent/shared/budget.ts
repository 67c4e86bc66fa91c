import { formatDuration } from './duration.ts';
import {
  bytesFor,
  CHUNK_BYTES_PER_SAMPLE,
  HEAD_CHUNK_BYTES,
  HEAD_RANGES,
  HEAD_SHARE,
  holdsPeak,
  INDEX_BYTES_PER_CHUNK,
  INDEX_BYTES_PER_SERIES,
  isHeld,
  layoutFor,
  PEAK_SHARE,
  shortestLayout,
  WAL_BYTES_PER_SERIES,
  type Layout,
  type Load,
  type Wanted,
} from './layout.ts';
import { outageBridged, WAL_BYTES_PER_SAMPLE, type Outage } from './wal.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/**
 * What the agent takes of the container's memory, with its gateway, and promtool beside it at times: 85 to 105 MB measured for 1,000 to
 * 10,000 units, 134 MB with room.
 */
const AGENT_BYTES = 128 * MIB;

/** What a container gives its Prometheus; undefined is what is not known. */
export interface Resources {
  readonly memoryLimitBytes: number | undefined;
  /** Where the data go. A tmpfs counts against the memory. */
  readonly volume: { readonly kind: 'tmpfs' | 'disk'; readonly sizeBytes: number | undefined };
  /** What the instance's owner wants of the volume: less than what fits, or it is cut to that. */
  readonly retentionSizeBytes?: number | undefined;
  /** How long it wants to keep samples. */
  readonly retentionMs?: number | undefined;
  /** What is taken in, which decides how long blocks are; undefined for what the volume can keep as long as it is wanted. */
  readonly load?: Load | undefined;
  /** How long blocks are, when that is decided already. */
  readonly layout?: Layout | undefined;
  /** To how many receivers all samples are sent. */
  readonly receivers?: number | undefined;
  /** For tests, which cannot wait as long as in earnest: by how much all blocks are shorter. */
  readonly timeLapse?: number | undefined;
}

/**
 * What can be held: this many series that are hardly ever scraped, or this many samples a second of hardly any series, or what lies between
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
  /** Of WAL, head and blocks together, as Prometheus counts. Where it goes depends on the version: in the configuration file, or a flag. */
  readonly retentionSizeBytes: number | undefined;
  /** Of the command line, without the retention. */
  readonly flags: readonly string[];
  /** What the flags say of blocks; undefined if nothing is known of the volume. */
  readonly layout: Layout | undefined;
  /** None is without limit. */
  readonly limits: readonly Limit[];
  /** What is tight, with the sum. */
  readonly problems: readonly string[];
  /** Why Prometheus cannot be run with this at all, with the sum: a limit of 0 would be no limit. */
  readonly refusal: string | undefined;
}

/** GOMEMLIMIT is what Go aims at; the rest is for what it does not count, and for what it is above that for moments. */
const GO_MEMORY_SHARE = 0.9;
/** Live memory above this share of GOMEMLIMIT has Go collect garbage without end; queries need room, too. */
export const LIVE_SHARE = 0.6;
/** What Prometheus has in use before it scrapes anything. */
const BASE_HEAP_BYTES = 20 * MIB;
/** Heap for a series in the head: 2,100 measured, and some for longer labels and full chunks. */
export const HEAP_BYTES_PER_SERIES = 3_000;
/** Heap for a sample a second: the buffers of parser and appender. */
const HEAP_BYTES_PER_RATE = 200;
/** A deploy brings every unit's series again, and the old ones stay in the head until it is cut. */
const CHURN = 1.25;
/** Prometheus' own series and the agent's. */
const OWN_SERIES = 1_500;
/** What is stored of both, and how often: their jobs are slower than the apps' (image/prometheus.yml). */
const STORED_OWN_SERIES = 500;
const STORED_OWN_INTERVAL_S = 60;
/** An instance that cannot hold this many series is of no use. */
const LEAST_SERIES = 2_000;
/** Of the heap of a series, what each sender of remote_write takes for it: Prometheus' guide says about a quarter. */
const SENDER_SHARE = 0.25;
/** The least GOMEMLIMIT: the live heap of a Prometheus that scrapes nothing but itself, at LIVE_SHARE. Go reads 0 as "collect always". */
const LEAST_GO_MEM_LIMIT_BYTES = 40 * MIB;
/** The least retention.size: two segments of the WAL, less than which no block would be kept. Prometheus reads 0 as "no limit". */
const LEAST_RETENTION_BYTES = 16 * MIB;
/** The retention of an unset setting: its default. */
const USUAL_RETENTION_MS = 15 * 86_400_000;
/** Of a load that is not known yet: how often its series are scraped. */
const USUAL_INTERVAL_S = 15;
/** A sample in merged blocks, about: 2.7 to 3.2. */
const USUAL_BYTES_PER_SAMPLE = 3;

/**
 * What the WAL holds at most, in block ranges, at the highest load, by how much one has in it (walRanges): two thirds of its whole segments
 * go with each cut of the head, so with one segment a range every second cut does nothing.
 */
const WAL_RANGES = { below128MiB: 4.5, below256MiB: 2.5, above: 2 } as const;

/**
 * Of the volume, what WAL, head and blocks may take when blocks are deleted: the most that leaves room for a new block and a merge, which
 * are small under a low load. The least is for the highest load; a large volume is rather bound by the memory.
 */
const RETENTION_SHARES = [0.7, 0.65, 0.6] as const;
const LEAST_RETENTION_SHARE = { small: 0.55, large: 0.7 } as const;
const LARGE_FROM_BYTES = 4 * GIB;

/** How Prometheus is run with these resources. Pure: the broker asks the same of a plan before there is an instance. */
export function budgetOf(resources: Resources): Budget {
  const { memoryLimitBytes, retentionSizeBytes, receivers = 0 } = resources;
  const { timeLapse = 1 } = resources;
  const { tmpfsBytes, usedTmpfsBytes, dataBytes, leftBytes } = divide(resources);
  const goMemLimitBytes = memoryLimitBytes === undefined ? undefined : Math.floor(leftBytes * GO_MEMORY_SHARE);
  const memory = goMemLimitBytes === undefined ? [] : [memoryLimit(goMemLimitBytes, receivers)];
  const isTight = memoryLimitBytes !== undefined && memoryLimitBytes - AGENT_BYTES - tmpfsBytes < LEAST_GO_BYTES;
  const problems = isTight ? [tooSmall(memoryLimitBytes, tmpfsBytes)] : [];
  const noMemory =
    goMemLimitBytes !== undefined && goMemLimitBytes < LEAST_GO_MEM_LIMIT_BYTES
      ? noRoomInMemory(memoryLimitBytes ?? 0, tmpfsBytes, usedTmpfsBytes)
      : undefined;
  if (dataBytes === undefined) {
    const nothing = { flags: [], layout: undefined, limits: memory };
    return { goMemLimitBytes, retentionSizeBytes, ...nothing, problems, refusal: noMemory };
  }
  const limits = [...memory, ...volumeLimits(dataBytes, faster(shortestLayout(dataBytes), timeLapse))];
  const { retentionBytes, layout } = use(
    { ...resources, load: inEarnest(resources.load, timeLapse) },
    dataBytes,
    limits,
  );
  const inForce = faster(layout, timeLapse);
  return {
    goMemLimitBytes,
    retentionSizeBytes: retentionBytes,
    flags: flagsOf(inForce),
    layout: inForce,
    limits,
    problems,
    refusal: noMemory ?? noRoomOnVolume(dataBytes),
  };
}

/** How the volume is used: of what leaves room for a new block and a merge the largest retention, with the blocks for it. */
function use(
  { retentionSizeBytes = Infinity, retentionMs = USUAL_RETENTION_MS, load: known, layout: given }: Resources,
  dataBytes: number,
  limits: readonly Limit[],
): { readonly retentionBytes: number; readonly layout: Layout } {
  const retentionOf = (share: number): number => Math.floor((dataBytes * share) / MIB) * MIB;
  const choose = (share: number): { wanted: Wanted; layout: Layout } => {
    const retentionBytes = Math.min(retentionSizeBytes, retentionOf(share));
    const load = known ?? keptLoad(retentionBytes, retentionMs);
    const wanted = { dataBytes, retentionBytes, retentionMs, load };
    return { wanted, layout: given ?? (isCrowded(load, limits) ? shortestLayout(dataBytes) : layoutFor(wanted)) };
  };
  const least = leastShare(dataBytes);
  const choices = RETENTION_SHARES.filter((share) => share > least).map(choose);
  const { wanted, layout } = choices.find((choice) => holdsPeak(choice.wanted, choice.layout)) ?? choose(least);
  return { retentionBytes: wanted.retentionBytes, layout };
}

/** More series than are scraped at once are old ones, which the head holds until it is cut: the sooner, the better. */
function isCrowded({ series }: Load, limits: readonly Limit[]): boolean {
  return limits.some((limit) => series > limit.series * CHURN);
}

/** What of the memory is whose; a tmpfs that leaves no memory to Prometheus is used in part. */
function divide({ memoryLimitBytes = Infinity, volume }: Resources): {
  readonly tmpfsBytes: number;
  readonly usedTmpfsBytes: number;
  readonly dataBytes: number | undefined;
  readonly leftBytes: number;
} {
  const withoutAgentBytes = Math.max(0, memoryLimitBytes - AGENT_BYTES);
  if (volume.kind === 'disk')
    return { tmpfsBytes: 0, usedTmpfsBytes: 0, dataBytes: volume.sizeBytes, leftBytes: withoutAgentBytes };
  // One without a size of its own grows until the memory is full.
  const tmpfsBytes = volume.sizeBytes ?? memoryLimitBytes;
  if (tmpfsBytes === Infinity)
    return { tmpfsBytes: 0, usedTmpfsBytes: 0, dataBytes: undefined, leftBytes: withoutAgentBytes };
  const isTight = withoutAgentBytes - tmpfsBytes < LEAST_GO_BYTES;
  const usedTmpfsBytes = isTight ? Math.min(tmpfsBytes, withoutAgentBytes / 2) : tmpfsBytes;
  return { tmpfsBytes, usedTmpfsBytes, dataBytes: usedTmpfsBytes, leftBytes: withoutAgentBytes - usedTmpfsBytes };
}

/** About what the retention can keep as long as it is wanted: what an instance is for, as long as nothing is known of it. */
function keptLoad(retentionBytes: number, retentionMs: number): Load {
  const samplesPerSecond = retentionBytes / ((retentionMs / 1000) * USUAL_BYTES_PER_SAMPLE);
  return { series: samplesPerSecond * USUAL_INTERVAL_S, samplesPerSecond };
}

function inEarnest(load: Load | undefined, timeLapse: number): Load | undefined {
  return load === undefined ? undefined : { ...load, samplesPerSecond: load.samplesPerSecond / timeLapse };
}

function faster(layout: Layout, timeLapse: number): Layout {
  return { ...layout, rangeMs: layout.rangeMs / timeLapse, longestMs: layout.longestMs / timeLapse };
}

/** What there is of a layout at present. */
export interface Present {
  readonly layout: Layout;
  /** Of the volume; Infinity when it is not known. */
  readonly usedBytes: number;
}

/** Of the retention: below it there is time for another look before blocks are deleted, at any load that fits. */
const NEAR_RETENTION = 0.7;

/** Whether a load takes shorter blocks than those of a layout. */
export function isOutgrown(resources: Resources, { layout, usedBytes }: Present, load: Load): boolean {
  const { limits, retentionSizeBytes: retentionBytes } = budgetOf(resources);
  const { dataBytes } = divide(resources);
  if (dataBytes === undefined || retentionBytes === undefined) return false;
  if (isCrowded(load, limits)) return layout.rangeMs > shortestLayout(dataBytes).rangeMs;
  const wanted = { dataBytes, retentionBytes, retentionMs: Infinity, load };
  const isLeast = retentionBytes <= dataBytes * leastShare(dataBytes);
  const isPeakFar = usedBytes < retentionBytes * NEAR_RETENTION;
  return !isHeld(wanted, layout) || !(isLeast || isPeakFar || holdsPeak(wanted, layout));
}

/** How much of a budget this many series and samples a second take: above 1 it does not fit. */
export function loadOf(limits: readonly Limit[], series: number, samplesPerSecond: number): number {
  return Math.max(0, ...limits.map((limit) => series / limit.series + samplesPerSecond / limit.samplesPerSecond));
}

/** How many series fit when all are scraped at this interval; Infinity without limits. */
export function seriesAt(limits: readonly Limit[], intervalMs: number): number {
  return Math.floor(1 / loadOf(limits, 1, 1000 / intervalMs));
}

/** How many series the retention keeps as long as it is wanted, when all are scraped at this interval. */
export function seriesKept(resources: Resources, intervalMs: number): number {
  const { retentionMs = USUAL_RETENTION_MS } = resources;
  const most = seriesAt(budgetOf(resources).limits, intervalMs);
  const isKept = (series: number): boolean => {
    const load = {
      series: series + STORED_OWN_SERIES,
      samplesPerSecond: (series * 1000) / intervalMs + STORED_OWN_SERIES / STORED_OWN_INTERVAL_S,
    };
    const { layout, retentionSizeBytes } = budgetOf({ ...resources, load });
    if (layout === undefined || retentionSizeBytes === undefined) return true;
    return bytesFor(load, retentionMs, layout) <= retentionSizeBytes;
  };
  if (!Number.isFinite(most)) return most;
  let [kept, tooMany] = [0, most + 1];
  while (tooMany - kept > 1) {
    const series = Math.floor((kept + tooMany) / 2);
    if (isKept(series)) kept = series;
    else tooMany = series;
  }
  return kept;
}

/**
 * How long a receiver of remote_write may be away before a sample is lost, from the worst moment to the best; a function of how long
 * blocks are, and of how much is taken in.
 */
export function bridgedMs({ rangeMs, walSegmentMib }: Layout, samplesPerSecond: number): Outage {
  return outageBridged({ rangeMs, segmentBytes: walSegmentMib * MIB, samplesPerSecond });
}

const LEAST_GO_BYTES =
  (BASE_HEAP_BYTES + (OWN_SERIES + LEAST_SERIES * CHURN) * HEAP_BYTES_PER_SERIES) / LIVE_SHARE / GO_MEMORY_SHARE;

function memoryLimit(goMemLimitBytes: number, receivers: number): Limit {
  const perSeries = HEAP_BYTES_PER_SERIES * (1 + receivers * SENDER_SHARE);
  const bytes = goMemLimitBytes * LIVE_SHARE - BASE_HEAP_BYTES - OWN_SERIES * perSeries;
  return limitOf('memory', bytes, perSeries, HEAP_BYTES_PER_RATE);
}

/** Two things must fit at the highest load: WAL and head below the retention, and above it what comes before blocks are deleted. */
function volumeLimits(dataBytes: number, { rangeMs, chunkSegmentMib }: Layout): Limit[] {
  const seconds = rangeMs / 1000;
  const standing = limitOf(
    'volume',
    dataBytes * HEAD_SHARE,
    2 * WAL_BYTES_PER_SERIES + HEAD_RANGES * HEAD_CHUNK_BYTES,
    seconds * (walRangesAtMost(dataBytes) * WAL_BYTES_PER_SAMPLE + HEAD_RANGES * CHUNK_BYTES_PER_SAMPLE),
  );
  const passing = limitOf(
    'volume',
    dataBytes * (PEAK_SHARE - leastShare(dataBytes)) - chunkSegmentMib * MIB,
    INDEX_BYTES_PER_SERIES + INDEX_BYTES_PER_CHUNK + WAL_BYTES_PER_SERIES + HEAD_CHUNK_BYTES,
    seconds * (WAL_BYTES_PER_SAMPLE + CHUNK_BYTES_PER_SAMPLE * 2),
  );
  return [standing, passing];
}

function walRangesAtMost(dataBytes: number): number {
  if (dataBytes < 128 * MIB) return WAL_RANGES.below128MiB;
  return dataBytes < 256 * MIB ? WAL_RANGES.below256MiB : WAL_RANGES.above;
}

/** At least 1 of each, so that there is a load. */
function limitOf(of: Limit['of'], bytes: number, bytesPerSeries: number, bytesPerRate: number): Limit {
  return {
    of,
    series: Math.max(1, Math.floor(bytes / CHURN / bytesPerSeries)),
    samplesPerSecond: Math.max(1, Math.floor(bytes / bytesPerRate)),
  };
}

function leastShare(dataBytes: number): number {
  return dataBytes < LARGE_FROM_BYTES ? LEAST_RETENTION_SHARE.small : LEAST_RETENTION_SHARE.large;
}

function flagsOf({ rangeMs, longestMs, chunkSegmentMib, walSegmentMib }: Layout): string[] {
  return [
    `--storage.tsdb.min-block-duration=${formatDuration(rangeMs)}`,
    `--storage.tsdb.max-block-duration=${formatDuration(longestMs)}`,
    `--storage.tsdb.max-block-chunk-segment-size=${chunkSegmentMib}MB`,
    `--storage.tsdb.wal-segment-size=${walSegmentMib}MB`,
  ];
}

function tooSmall(limitBytes: number, tmpfsBytes: number): string {
  const data = tmpfsBytes === 0 ? '' : `, the tmpfs with the data ${mib(tmpfsBytes)}`;
  const sum = AGENT_BYTES + LEAST_GO_BYTES + tmpfsBytes;
  return `${mib(limitBytes)} of memory are too few: the agent takes ${mib(AGENT_BYTES)}, Prometheus at least ${mib(LEAST_GO_BYTES)}${data}, together ${mib(sum)}; choose a plan with more memory`;
}

function noRoomInMemory(limitBytes: number, tmpfsBytes: number, usedTmpfsBytes: number): string {
  const data = tmpfsBytes === 0 ? '' : ` and the tmpfs ${mib(usedTmpfsBytes)} of its ${mib(tmpfsBytes)}`;
  const leftBytes = Math.max(0, limitBytes - AGENT_BYTES - usedTmpfsBytes);
  const needed = `GOMEMLIMIT is 90 % of it and needs at least ${mib(LEAST_GO_MEM_LIMIT_BYTES)}`;
  return `Prometheus cannot run in ${mib(limitBytes)} of memory: the agent takes ${mib(AGENT_BYTES)}${data}, which leaves ${mib(leftBytes)}, but ${needed}; choose a plan with more memory`;
}

function noRoomOnVolume(dataBytes: number): string | undefined {
  const share = leastShare(dataBytes);
  if (dataBytes * share >= LEAST_RETENTION_BYTES) return undefined;
  const least = LEAST_RETENTION_BYTES / share;
  return `Prometheus cannot store in ${mib(dataBytes)}: retention.size is ${Math.round(share * 100)} % of it and needs at least ${mib(LEAST_RETENTION_BYTES)}; choose a volume of ${mib(least)} or more`;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / MIB).toLocaleString('en-US')} MiB`;
}
