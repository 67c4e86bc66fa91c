import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSenders, lateText, readSenders, type WalFlags } from '../../../agent/samples/senders.ts';
import { readWalFlags } from '../../../agent/failures/survey.ts';
import { createLog } from '../../../agent/shared/log.ts';
import { outageBridged } from '../../../agent/shared/wal.ts';
import { createTroubles } from '../../../agent/system/troubles.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const WAL: WalFlags = { rangeMs: 30 * MINUTE_MS, segmentBytes: 10 * 2 ** 20 };
const URL_WITH_SECRET = 'https://me:secret@metrics.example.com/write?token=secret';

interface Sending {
  readonly pending: number;
  readonly sentSeconds: number;
  readonly newestSeconds: number;
  readonly name?: string;
}

/** A page of Prometheus with a sender, as 2.42 and 3 write it. */
function pageOf({ pending, sentSeconds, newestSeconds, name = 'far' }: Sending, appended: number): string {
  const labels = `{remote_name="${name}",url="${URL_WITH_SECRET}"}`;
  return [
    `prometheus_remote_storage_highest_timestamp_in_seconds ${newestSeconds}`,
    `prometheus_remote_storage_queue_highest_sent_timestamp_seconds${labels} ${sentSeconds}`,
    `prometheus_remote_storage_samples_pending${labels} ${pending}`,
    `prometheus_tsdb_head_samples_appended_total{type="float"} ${appended}`,
    'prometheus_tsdb_head_samples_appended_total{type="histogram"} 0',
  ].join('\n');
}

/** Looks at what `of` says each 15 s for some time, and returns the texts of the problems at each look. */
function look(seconds: number, of: (atSeconds: number) => Sending | undefined): string[][] {
  let nowMs = 0;
  const troubles = createTroubles(createLog('silent', []), () => nowMs);
  const senders = createSenders({ troubles, nowMs: () => nowMs, onBridged: () => undefined });
  const told: string[][] = [];
  for (let at = 0; at <= seconds; at += 15) {
    nowMs = at * SECOND_MS;
    const sending = of(at);
    senders.onMetrics(readSenders(sending === undefined ? '' : pageOf(sending, at * 1_000)), WAL);
    told.push(troubles.current().map(({ text }) => text));
  }
  return told;
}

describe('a sender of remote_write', () => {
  it('that keeps up, or has nothing to send, is no problem', () => {
    const cases: readonly ((at: number) => Sending)[] = [
      (at) => ({ pending: 500, sentSeconds: at - 5, newestSeconds: at }),
      // It drops all samples.
      (at) => ({ pending: 0, sentSeconds: 0, newestSeconds: at }),
      // It drops nearly all, and one is on its way at some looks.
      (at) => ({ pending: at % 60 === 0 ? 1 : 0, sentSeconds: 0, newestSeconds: at }),
      // The clock of an app is ahead.
      (at) => ({ pending: 500, sentSeconds: at + 595, newestSeconds: at + 600 }),
    ];
    for (const of of cases) assert.deepEqual(look(3_600, of).flat(), []);
  });

  it('whose receiver is away is reported long before the first sample is lost, and until it has caught up', () => {
    const { leastMs } = outageBridged({ ...WAL, samplesPerSecond: 1_000 });
    const backAt = 1_200;
    const told = look(1_500, (at) => ({
      pending: at === 0 || at > backAt + 120 ? 0 : 500,
      sentSeconds: at <= backAt ? 0 : Math.min(at, (at - backAt) * 20),
      newestSeconds: at,
    }));
    const first = told.findIndex((texts) => texts.length > 0);
    assert.ok(first * 15 <= 150 && first * 15 * SECOND_MS < leastMs / 2, `told after ${first * 15} s`);
    assert.match(
      told[first]?.join() ?? '',
      /^remote_write to far \(metrics\.example\.com\) is 2m behind, the first sample is lost in \d+m: check/,
    );
    assert.deepEqual(told.at(-1), []);
    assert.ok(!JSON.stringify(told).includes('secret'));
    // It does not come and go on the way.
    assert.ok(told.slice(first, backAt / 15).every((texts) => texts.length === 1));
  });

  it('that is slower than the load is reported as well', () => {
    const told = look(1_200, (at) => ({ pending: 500, sentSeconds: at / 2, newestSeconds: at }));
    assert.match(told.at(-1)?.join() ?? '', /is 10m behind/);
  });

  it('is no problem any more once it is removed', () => {
    const told = look(900, (at) => (at > 600 ? undefined : { pending: 5, sentSeconds: 0, newestSeconds: at }));
    assert.equal(told.at(40)?.length, 1);
    assert.deepEqual(told.at(-1), []);
  });

  it('reports lost samples once there are some', () => {
    const sender = { key: '', name: '0a1b2c', url: URL_WITH_SECRET, pending: 1, failed: 0, sentSeconds: 0 };
    const outage = { leastMs: 30 * MINUTE_MS, mostMs: 60 * MINUTE_MS };
    assert.equal(
      lateText(sender, 40 * MINUTE_MS, outage),
      'remote_write to metrics.example.com is 40m behind: samples that were not sent may be lost at any moment, as the WAL keeps them for 30m to 1h',
    );
    assert.match(lateText(sender, 70 * MINUTE_MS, outage), /is 1h10m behind: samples that were not sent are lost/);
    assert.match(lateText(sender, 90 * SECOND_MS, outage), /is 1m30s behind, the first sample is lost in 29m/);
    assert.match(lateText({ ...sender, url: '' }, 0, outage), /an address that is none/);
  });
});

describe("Prometheus' flags of its WAL", () => {
  it('are read as it writes them, and are its defaults where they are not set', () => {
    assert.deepEqual(
      readWalFlags({ 'storage.tsdb.min-block-duration': '10m', 'storage.tsdb.wal-segment-size': '10MiB' }),
      { rangeMs: 10 * MINUTE_MS, segmentBytes: 10 * 2 ** 20 },
    );
    const defaults = { rangeMs: 120 * MINUTE_MS, segmentBytes: 128 * 2 ** 20 };
    for (const flags of [
      {},
      { 'storage.tsdb.min-block-duration': '2h', 'storage.tsdb.wal-segment-size': '0B' },
      { 'storage.tsdb.min-block-duration': 'x', 'storage.tsdb.wal-segment-size': 7 },
    ])
      assert.deepEqual(readWalFlags(flags), defaults);
  });
});
