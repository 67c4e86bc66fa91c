import type { Client } from 'undici';

/** Half of the series are counters, a fifth gauges with values that compress badly, the rest constant: as what the load exposes. */
const COUNTERS_OF_TEN = 5;
const GAUGES_OF_TEN = 7;

/** A batch of series that are written together, as the scrape of a target is. */
export interface Batch {
  /** Writes samples of each series: one at this time, and as many more as are written at once, an interval apart. */
  write(atMs: number): Promise<void>;
}

/** Series of one target for `/api/v1/write`: one message, of which only values and times change. */
export function createBatch(
  client: Client,
  { target, series, intervalMs, atOnce }: { target: string; series: number; intervalMs: number; atOnce: number },
): Batch {
  const messages = Array.from({ length: series }, (_, index) => timeSeries(target, index, atOnce));
  const raw = Buffer.concat(messages.map(({ bytes }) => bytes));
  // Snappy's block format, with all of it as one literal.
  const head = Buffer.concat([varint(raw.length), Buffer.from([63 << 2]), uint32(raw.length - 1)]);
  const body = Buffer.concat([head, raw]);
  const ends: number[] = [];
  let end = head.length;
  for (const { bytes } of messages) ends.push((end += bytes.length));
  const values = new Float64Array(series);
  const headers = {
    'content-encoding': 'snappy',
    'content-type': 'application/x-protobuf',
    'x-prometheus-remote-write-version': '0.1.0',
  };
  return {
    async write(atMs) {
      for (let step = 0; step < atOnce; step += 1) {
        const time = varint(atMs + step * intervalMs);
        ends.forEach((end, index) => {
          const kind = index % 10;
          const value = values[index] ?? 0;
          if (kind < COUNTERS_OF_TEN) values[index] = value + Math.floor(Math.random() * 100);
          else if (kind < GAUGES_OF_TEN) values[index] = Math.round(Math.random() * 1e6) / 1e3;
          const at = end - (atOnce - 1 - step) * (SAMPLE_BYTES + 2);
          body.writeDoubleLE(values[index] ?? 0, at - SAMPLE_BYTES + 1);
          time.copy(body, at - TIME_BYTES);
        });
      }
      const answer = await client.request({ method: 'POST', path: '/api/v1/write', headers, body });
      const text = await answer.body.text();
      if (answer.statusCode >= 300) throw new Error(`${answer.statusCode} ${text}`);
    },
  };
}

/** A time of this century in milliseconds, as a varint. */
const TIME_BYTES = 6;
/** A double and a time, each behind its tag. */
const SAMPLE_BYTES = 1 + 8 + 1 + TIME_BYTES;

/** A series and its samples, as the protocol has them; the samples are at the end. */
function timeSeries(target: string, index: number, samples: number): { readonly bytes: Buffer } {
  const labels = {
    __name__: `http_request_duration_seconds_${Math.floor(index / 50)}_bucket`,
    code: '200',
    instance: target,
    job: 'my-app',
    le: String(index % 10),
    method: 'GET',
    // Differs with the name, too, as a query that counts samples drops that.
    path: `/api/v1/resource-${Math.floor(index / 10)}`,
    tsuru_app: 'my-app',
    tsuru_pool: 'default',
    tsuru_process: 'web',
    tsuru_team: 'my-team',
    tsuru_version: '12',
  };
  const sample = Buffer.alloc(SAMPLE_BYTES);
  sample[0] = 0x09;
  sample[9] = 0x10;
  const inner = Buffer.concat([
    ...Object.entries(labels).map(([name, value]) => field(1, Buffer.concat([field(1, name), field(2, value)]))),
    ...Array.from({ length: samples }, () => field(2, sample)),
  ]);
  return { bytes: field(1, inner) };
}

function field(number: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
