import { sampleOf, samplesOf } from '../prometheus/api/exposition.ts';
import { formatDuration } from '../shared/duration.ts';
import { outageBridged, type Outage } from '../shared/wal.ts';
import type { Troubles } from '../system/troubles.ts';

/** So far behind a sender is late, or a part of the time that an outage is bridged if that is less. A batch waits 5 s, a retry as long. */
const LATE_MS = 2 * 60_000;
const LATE_SHARE = 0.25;
const PREFIX = 'prometheus_remote_storage_';

/** A sender of remote_write, as Prometheus' own metrics show it; the same names in Prometheus 2.42 and 3. */
export interface Sender {
  /** Its identity. */
  readonly key: string;
  readonly name: string;
  readonly url: string;
  /** Samples that it has taken and not sent. */
  readonly pending: number;
  /** Samples that could not be sent, and are given up. */
  readonly failed: number;
  /** The newest sample that was sent, in seconds since 1970; 0 if none was. */
  readonly sentSeconds: number;
}

/** What Prometheus' own metrics show of its senders. */
export interface SendersPage {
  readonly senders: readonly Sender[];
  /** The newest sample that there is to send, in seconds since 1970. */
  readonly newestSeconds: number;
  /** All samples that were ever stored. */
  readonly appended: number;
}

export function readSenders(page: string): SendersPage {
  const sent = new Map(
    [...samplesOf(page, `${PREFIX}queue_highest_sent_timestamp_seconds`)].map(({ labels, value }) => [
      keyOf(labels),
      value,
    ]),
  );
  const failed = new Map(
    [...samplesOf(page, `${PREFIX}samples_failed_total`)].map(({ labels, value }) => [keyOf(labels), value]),
  );
  const senders = [...samplesOf(page, `${PREFIX}samples_pending`)].map(({ labels, value }) => ({
    key: keyOf(labels),
    name: labels.get('remote_name') ?? '',
    url: labels.get('url') ?? '',
    pending: value,
    failed: failed.get(keyOf(labels)) ?? 0,
    sentSeconds: sent.get(keyOf(labels)) ?? 0,
  }));
  const appended = [...samplesOf(page, 'prometheus_tsdb_head_samples_appended_total')];
  return {
    senders,
    newestSeconds: sampleOf(page, `${PREFIX}highest_timestamp_in_seconds`) ?? 0,
    appended: appended.reduce((sum, { value }) => sum + value, 0),
  };
}

function keyOf(labels: ReadonlyMap<string, string>): string {
  return JSON.stringify([labels.get('remote_name'), labels.get('url')]);
}

/** How Prometheus keeps its WAL, by its own flags. */
export interface WalFlags {
  readonly rangeMs: number;
  readonly segmentBytes: number;
}

export interface SendersOptions {
  readonly troubles: Troubles;
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
  /** For how long an outage of a receiver is bridged now, at its worst moment. */
  readonly onBridged: (bridgedMs: number) => void;
}

/** Warns of each sender of remote_write that is late, before the samples that it has not sent are gone from the WAL. */
export interface Senders {
  onMetrics(page: SendersPage, wal: WalFlags): void;
  /** What they were seen to do last; undefined before the first look. */
  readonly last: () => SendersPage | undefined;
}

export function createSenders({ troubles, nowMs, onBridged }: SendersOptions): Senders {
  /** Since when each sender has samples that wait. */
  let waiting: ReadonlyMap<string, number> = new Map();
  let late: ReadonlyMap<string, string> = new Map();
  let last: SendersPage | undefined;
  let before: { appended: number; atMs: number } | undefined;

  /** Samples a second since the last look. The most there can be while that is not known. */
  function rateOf(appended: number, atMs: number): number {
    const last = before;
    before = { appended, atMs };
    return last === undefined || appended < last.appended || atMs <= last.atMs
      ? Infinity
      : ((appended - last.appended) * 1000) / (atMs - last.atMs);
  }

  return {
    last: () => last,
    onMetrics(page, wal) {
      const { senders, newestSeconds, appended } = page;
      last = page;
      const atMs = nowMs();
      const outage = outageBridged({ ...wal, samplesPerSecond: rateOf(appended, atMs) });
      onBridged(outage.leastMs);
      const waits = new Map(
        senders.flatMap(({ key, pending }) => (pending > 0 ? [[key, waiting.get(key) ?? atMs] as const] : [])),
      );
      waiting = waits;
      const lateNow = new Map<string, string>();
      for (const sender of senders) {
        const { key, sentSeconds } = sender;
        // One that drops most samples has sent none for long, and nothing waits.
        const behindMs = Math.min((newestSeconds - sentSeconds) * 1000, atMs - (waits.get(key) ?? atMs));
        const limitMs = Math.min(LATE_MS, outage.leastMs * LATE_SHARE);
        // What was late is so until it has nearly caught up.
        if (behindMs < (late.has(key) ? limitMs / 2 : limitMs)) continue;
        lateNow.set(key, senderName(sender));
        troubles.begin(troubleOf(key), lateText(sender, behindMs, outage));
      }
      for (const [key, name] of late)
        if (!lateNow.has(key)) troubles.end(troubleOf(key), `remote_write to ${name} has caught up`);
      late = lateNow;
    },
  };
}

function troubleOf(key: string): string {
  return `remote_write ${key}`;
}

/** The host of its URL, which may hold secrets elsewhere, and the name that its user gave it: without one, Prometheus uses a hash. */
export function senderName({ name, url }: Pick<Sender, 'name' | 'url'>): string {
  const host = URL.parse(url)?.host ?? 'an address that is none';
  return /^[0-9a-f]{6}$/.test(name) || name === '' ? host : `${name} (${host})`;
}

/** How late a sender is, and until when its samples are kept. */
export function lateText(sender: Sender, behindMs: number, { leastMs, mostMs }: Outage): string {
  const behind = `remote_write to ${senderName(sender)} is ${minutes(behindMs)} behind`;
  if (behindMs >= mostMs)
    return `${behind}: samples that were not sent are lost, as the WAL keeps them for ${minutes(mostMs)} at most`;
  if (behindMs >= leastMs)
    return `${behind}: samples that were not sent may be lost at any moment, as the WAL keeps them for ${minutes(leastMs)} to ${minutes(mostMs)}`;
  const left = Number.isFinite(leastMs)
    ? `the first sample is lost in ${minutes(leastMs - behindMs)}`
    : 'no sample is lost yet';
  return `${behind}, ${left}: check that it answers and takes samples fast enough`;
}

/** Seconds only below some minutes. */
function minutes(durationMs: number): string {
  const unitMs = durationMs < 5 * 60_000 ? 1_000 : 60_000;
  return formatDuration(Math.max(0, Math.round(durationMs / unitMs)) * unitMs);
}
