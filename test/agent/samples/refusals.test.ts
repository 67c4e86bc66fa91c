import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Discovery } from '../../../agent/discovery/discover.ts';
import { discover } from '../../../agent/discovery/discover.ts';
import type { LogLine } from '../../../agent/prometheus/api/logfmt.ts';
import { createRefusals, readRefusal, type Refusals } from '../../../agent/samples/refusals.ts';
import { createLog } from '../../../agent/shared/log.ts';
import { createTroubles, type Troubles } from '../../../agent/system/troubles.ts';

const MINUTE_MS = 60_000;
const TOO_OLD = 'Error on ingesting samples that are too old or are too far into the future';

function line(message: string, fields: Readonly<Record<string, unknown>> = {}): LogLine {
  return { level: 'warn', message, fields };
}

/** Two apps with a unit each. */
function discovery(): Discovery {
  const app = (name: string, internalIp: string, annotations = {}): Parameters<typeof discover>[0] =>
    new Map([
      [
        name,
        {
          app: { name, pool: 'p', team: 't', annotations, labels: {} },
          units: [{ id: name, name, process: 'web', status: 'started', version: '1', internalIp, hostPort: '' }],
          details: {
            platform: '',
            ports: [{ process: 'web', protocol: 'TCP', targetPort: 80, version: '' }],
            processes: {},
          },
        },
      ],
    ]);
  const apps = new Map([...app('shop', '10.0.0.1'), ...app('blog', 'fd00::1', { 'prometheus.io/scheme': 'https' })]);
  return discover(apps, { scrape: { intervalMs: 15_000, timeoutMs: 10_000 }, targetsPerApp: 10 });
}

interface Scene {
  readonly refusals: Refusals;
  readonly troubles: Troubles;
  readonly counted: string[];
  readonly time: { nowMs: number };
}

function startScene(): Scene {
  const time = { nowMs: 0 };
  const counted: string[] = [];
  const log = createLog('silent', []);
  const troubles = createTroubles(log, () => time.nowMs);
  const now = discovery();
  const refusals = createRefusals({
    discovery: () => now,
    wallMs: () => time.nowMs,
    nowMs: () => time.nowMs,
    log,
    troubles,
    onRefused: (app, reason, samples) => counted.push(`${app} ${reason} ${samples}`),
  });
  return { refusals, troubles, counted, time };
}

describe('a line of Prometheus about samples that were not stored', () => {
  const target = 'http://10.0.0.1:80/metrics';
  const table: readonly (readonly [LogLine, ReturnType<typeof readRefusal>])[] = [
    [line(TOO_OLD, { target, num_dropped: 3 }), { target, reason: 'out_of_bounds', samples: 3 }],
    [line(TOO_OLD, { target, num_dropped: '3' }), { target, reason: 'out_of_bounds', samples: 3 }],
    [line(TOO_OLD, { target }), { target, reason: 'out_of_bounds', samples: 1 }],
    [
      line('Error on ingesting out-of-order samples', { target, num_dropped: 2 }),
      { target, reason: 'out_of_order', samples: 2 },
    ],
    [
      line('Error on ingesting samples with different value but same timestamp', { target, num_dropped: 1 }),
      { target, reason: 'duplicate', samples: 1 },
    ],
    [line('Error on ingesting out-of-order exemplars', { target, num_dropped: 2 }), undefined],
    [line('Error on ingesting out-of-order result from rule evaluation', { num_dropped: 2 }), undefined],
    [line(TOO_OLD, { num_dropped: 3 }), undefined],
    [line('Server is ready to receive web requests.'), undefined],
  ];
  for (const [said, refusal] of table) {
    it(`is read: ${said.message} ${JSON.stringify(said.fields)}`, () => {
      assert.deepEqual(readRefusal(said), refusal);
    });
  }
});

describe('samples that are refused', () => {
  it('are reported with their app, number and start until five minutes after the last', () => {
    const { refusals, counted, time } = startScene();
    time.nowMs = MINUTE_MS;
    const refuse = (target: string): void => {
      refusals.onLine(line(TOO_OLD, { target, num_dropped: 2 }));
    };
    refuse('http://10.0.0.1:80/metrics?a=b');
    time.nowMs += 4 * MINUTE_MS;
    refuse('http://10.0.0.1:80/metrics?a=b');
    assert.match(
      refusals.problemsOf('shop').join(),
      /^Prometheus refused 4 samples since 1970-01-01T00:01:00.000Z: their timestamps are too old, or more than 10 minutes ahead/,
    );
    assert.deepEqual(refusals.problemsOf('blog'), []);
    time.nowMs += 5 * MINUTE_MS - 1;
    assert.equal(refusals.problemsOf('shop').length, 1);
    time.nowMs += 1;
    assert.deepEqual(refusals.problemsOf('shop'), []);
    refuse('http://10.0.0.1:80/metrics?a=b');
    assert.match(refusals.problemsOf('shop').join(), /refused 2 samples since 1970-01-01T00:10:00/);
    assert.deepEqual(counted, ['shop out_of_bounds 2', 'shop out_of_bounds 2', 'shop out_of_bounds 2']);
  });

  it('are those of the app at the address, whatever its path and scheme, and of none for other targets', () => {
    const { refusals, counted } = startScene();
    for (const target of [
      'https://[fd00::1]:80/x',
      'http://10.0.0.1/metrics',
      'http://10.0.0.1:81/metrics',
      'http://[fd00::1]:80/x',
      'nonsense',
    ])
      refusals.onLine(line('Error on ingesting out-of-order samples', { target, num_dropped: 1 }));
    assert.deepEqual(
      counted,
      ['blog', 'shop', '', '', ''].map((app) => `${app} out_of_order 1`),
    );
  });

  it('are counted without an app where the agent does not read the log', () => {
    const { refusals, troubles, counted, time } = startScene();
    const page = (count: number): string => `prometheus_target_scrapes_sample_out_of_bounds_total ${count}\n`;
    refusals.onMetrics(page(7));
    refusals.onMetrics(page(7));
    assert.deepEqual([counted, troubles.current()], [[], []]);
    refusals.onMetrics(page(10));
    // Started again.
    refusals.onMetrics(page(2));
    assert.deepEqual(counted, [' out_of_bounds 3', ' out_of_bounds 2']);
    assert.match(troubles.current()[0]?.text ?? '', /^Prometheus refused 5 samples for their timestamps/);
    time.nowMs += 5 * MINUTE_MS;
    refusals.onMetrics(page(2));
    assert.deepEqual(troubles.current(), []);
  });
});
