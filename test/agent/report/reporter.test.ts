import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import Registry from 'prom-client/lib/registry.js';
import { discover } from '../../../agent/discovery/discover.ts';
import { createMetrics } from '../../../agent/report/metrics.ts';
import { createReporter, type Event, type Progress } from '../../../agent/report/reporter.ts';
import { readSettings } from '../../../agent/shared/settings/settings.ts';
import { createTroubles } from '../../../agent/system/troubles.ts';
import { byName, known, OPTIONS } from '../../support/known-apps.ts';

interface Scene {
  readonly report: (...events: readonly Event[]) => void;
  readonly lines: string[];
  readonly progress: () => Progress;
  readonly troubles: () => readonly string[];
  readonly at: (nowMs: number) => void;
}

function start(): Scene {
  let nowMs = 0;
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg) });
  const troubles = createTroubles(log, () => nowMs);
  const metrics = createMetrics(new Registry());
  const reporter = createReporter({ log, metrics, troubles, wallMs: () => nowMs });
  return {
    report(...events) {
      events.forEach(reporter.report);
    },
    lines,
    progress: reporter.progress,
    troubles: () => troubles.current().map(({ key }) => key),
    at(ms) {
      nowMs = ms;
    },
  };
}

const DEFAULTS = readSettings({});
const DISCOVERY = discover(byName(known('my-app')), OPTIONS);
const WRITTEN: Event = {
  kind: 'write',
  outcome: { kind: 'written', discovery: DISCOVERY, seconds: 1, seenAtMs: 0 },
};
const NOT_WRITTEN: Event = { kind: 'write', outcome: { kind: 'failed', reason: 'no space' } };

function poll(...problems: readonly string[]): Event {
  return { kind: 'poll', outcome: { kind: 'answered', problems }, durationMs: 1 };
}

const FAILED_POLL: Event = {
  kind: 'poll',
  outcome: { kind: 'failed', failure: 'timeout', reason: 'no answer' },
  durationMs: 1,
};

describe('the reporter', () => {
  /** A trouble by its key, what begins it, and what ends it. */
  const table: readonly (readonly [key: string, begin: Event, end: Event])[] = [
    ['poll', FAILED_POLL, poll()],
    ['list', poll('app 3 cannot be read'), poll()],
    ['write', NOT_WRITTEN, WRITTEN],
    ['state', { kind: 'state', problem: 'no space' }, { kind: 'state', problem: undefined }],
    ['details', { kind: 'details', failures: [{ name: 'a', reason: 'no' }] }, { kind: 'details', failures: [] }],
    [
      'sync',
      { kind: 'sync', status: { inSync: false, sinceMs: 0, problem: 'late' } },
      { kind: 'sync', status: { inSync: true, sinceMs: 0 } },
    ],
    ['configuration', { kind: 'configuration', status: { refused: 'bad' } }, { kind: 'configuration', status: {} }],
    ['reload', { kind: 'configuration', status: { waiting: 'busy' } }, { kind: 'configuration', status: {} }],
    ['address', { kind: 'address', problem: 'none' }, { kind: 'address', problem: undefined }],
    ['authorities', { kind: 'authorities', problems: ['old'] }, { kind: 'authorities', problems: [] }],
    [
      'no-room',
      { kind: 'freed', outcome: { lost: [], short: ['full'] } },
      { kind: 'freed', outcome: { lost: [], short: [] } },
    ],
  ];
  for (const [key, begin, end] of table) {
    it(`reports the problem "${key}" once and its end once`, () => {
      const { report, lines, troubles } = start();
      report(end);
      assert.deepEqual([lines, troubles()], [[], []], 'an end of nothing is not told');
      report(begin, begin);
      assert.deepEqual([lines.length, troubles()], [1, [key]]);
      report(end, end);
      assert.deepEqual([lines.length, troubles()], [2, []]);
    });
  }

  it('keeps the problem of unreadable apps when a later list failed', () => {
    const { report, troubles } = start();
    report(poll('app 3 cannot be read'), FAILED_POLL);
    assert.deepEqual(troubles(), ['list', 'poll']);
  });

  it('does not end the problem of a late Prometheus when another version is not loaded yet', () => {
    const { report, troubles } = start();
    report({ kind: 'sync', status: { inSync: false, sinceMs: 0, problem: 'late' } });
    report({ kind: 'sync', status: { inSync: false, sinceMs: 0 } });
    assert.deepEqual(troubles(), ['sync']);
  });

  it('names the apps whose units are unknown, and that their targets stay, until all are known', () => {
    const { report, lines, troubles } = start();
    const unknown = { ...known('my-app'), unknown: { reason: 'no cluster', sinceMs: 0 } };
    const discovery = discover(byName(unknown, known('other')), OPTIONS);
    report({ kind: 'targets', discovery, changes: [] });
    assert.deepEqual(lines, ['the units of my-app are unknown, keeping their last targets: no cluster']);
    report({ kind: 'targets', discovery: DISCOVERY, changes: [] });
    assert.deepEqual(troubles(), []);
  });

  it('keeps how many targets are in the file and when a poll last succeeded through failures', () => {
    const { report, progress, at } = start();
    at(1_000);
    report(WRITTEN, poll());
    at(2_000);
    report(NOT_WRITTEN, FAILED_POLL);
    const { writtenTargets, lastWrite, lastPoll, lastPollSuccessMs } = progress();
    assert.equal(writtenTargets, 1);
    assert.deepEqual(lastWrite, { atMs: 2_000, ok: false });
    assert.deepEqual(lastPoll, { atMs: 2_000, ok: false });
    assert.equal(lastPollSuccessMs, 1_000);
  });

  it('does not count an unchanged file as a write, but ends the problem of a failed one', () => {
    const { report, progress, troubles, at } = start();
    report(NOT_WRITTEN);
    at(9_000);
    report({ kind: 'write', outcome: { kind: 'unchanged', discovery: DISCOVERY, seconds: 1, seenAtMs: 0 } });
    assert.deepEqual(progress().lastWrite, { atMs: 0, ok: false });
    assert.deepEqual(troubles(), []);
  });

  it('logs a loaded configuration once', () => {
    const { report, lines } = start();
    report({ kind: 'configuration', status: { loadedAtMs: 5 } }, { kind: 'configuration', status: { loadedAtMs: 5 } });
    assert.deepEqual(lines, ['Prometheus has loaded the configuration']);
  });

  it('reports refused settings, and settings that cannot be saved, until others are accepted', () => {
    const { report, troubles } = start();
    report({ kind: 'settings', outcome: { kind: 'refused', problems: ['bad'] } });
    report({ kind: 'settings', outcome: { kind: 'not_saved', reason: 'no space' } });
    assert.deepEqual(troubles(), ['settings', 'settings-saved']);
    assert.ok(DEFAULTS.ok);
    report({ kind: 'settings', outcome: { kind: 'accepted', settings: DEFAULTS.settings } });
    assert.deepEqual(troubles(), []);
  });

  it('keeps the first ten losses of data, as they show the cause', () => {
    const { report, progress, lines } = start();
    for (let number = 1; number <= 12; number += 1) report({ kind: 'lost', text: `block ${number}` });
    const { losses } = progress().supervised;
    assert.deepEqual([losses.length, losses[0]?.text, losses[9]?.text], [10, 'block 1', 'block 10']);
    assert.equal(lines.length, 12);
  });

  it('counts crashes of Prometheus with a line each, and has one problem until it is ready again', () => {
    const { report, progress, troubles, lines, at } = start();
    const started: Event = { kind: 'process', event: { kind: 'started', pid: 7, args: [] } };
    const crashed: Event = {
      kind: 'process',
      event: { kind: 'crashed', crash: 'killed', text: 'Prometheus was killed', lines: [], retryMs: 1_000 },
    };
    at(1_000);
    report(started, crashed);
    at(2_000);
    report(started, crashed);
    assert.deepEqual(progress().supervised, {
      crashes: 2,
      losses: [],
      startedAtMs: 2_000,
      lastCrash: { atMs: 2_000, text: 'Prometheus was killed', lines: [] },
    });
    assert.equal(lines.filter((line) => line === 'Prometheus was killed; it is started again').length, 2);
    assert.deepEqual(troubles(), ['crash']);
    report({ kind: 'process', event: { kind: 'ready', tookMs: 5 } });
    assert.deepEqual(troubles(), []);
    assert.equal(progress().supervised.crashes, 2);
  });

  it('keeps what a lost write-ahead log and damaged data cost as losses', () => {
    const { report, progress } = start();
    report({ kind: 'process', event: { kind: 'wal_lost', text: 'the log is lost' } });
    report({ kind: 'process', event: { kind: 'damaged', text: 'a block is damaged' } });
    assert.deepEqual(
      progress().supervised.losses.map(({ text }) => text),
      ['the log is lost', 'a block is damaged'],
    );
  });

  it('logs warnings of Prometheus, but its info lines only for debugging, and names the queries of its last run', () => {
    const { report, progress, lines } = start();
    report({ kind: 'line', line: { level: 'info', message: 'a step', fields: {} } });
    report({ kind: 'line', line: { level: 'warn', message: 'a warning', fields: { component: 'tsdb' } } });
    assert.deepEqual(lines, ['a warning']);
    assert.equal(progress().supervised.unfinished, undefined);
    const queries = '[{"query":"sum(rate(x[1d]))","timestamp_sec":1}]';
    report({
      kind: 'line',
      line: { level: 'info', message: "These queries didn't finish in prometheus' last run:", fields: { queries } },
    });
    assert.match(progress().supervised.unfinished?.text ?? '', /while it ran sum\(rate\(x\[1d\]\)\)/);
  });

  it('reports memory that does not suffice, and secrets that are not set, with the commands that set them', () => {
    const { report, troubles, lines } = start();
    const problems = { memory: 'too little', missingVariables: ['A', 'B'], headers: undefined, proxy: undefined };
    report({ kind: 'problems', problems });
    assert.deepEqual(troubles(), ['memory', 'credentials']);
    assert.ok(lines.some((line) => line.includes('"tsuru env-set -p A=..." and "tsuru env-set -p B=..."')));
    report({ kind: 'problems', problems: { ...problems, memory: undefined, missingVariables: [] } });
    assert.deepEqual(troubles(), []);
  });
});
