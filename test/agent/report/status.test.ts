import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { discover } from '../../../agent/discovery/discover.ts';
import type { TargetHealth } from '../../../agent/prometheus/api/client.ts';
import { statusOf, type StatusInput } from '../../../agent/report/status.ts';
import { byName, known, OPTIONS, unit } from '../../support/known-apps.ts';

const DAY_MS = 24 * 60 * 60_000;

const INPUT: StatusInput = {
  wallMs: 10 * DAY_MS,
  ownApp: 'prometheus-mine',
  token: 'abc',
  discovery: undefined,
  onDisk: true,
  troubles: [],
  progress: { configuration: {}, writtenTargets: 0, supervised: { crashes: 0, losses: [] } },
  sync: undefined,
  file: '/targets.json',
  restored: false,
  isSupervised: true,
  capacity: undefined,
  readiness: { ready: true, version: '3.14.0' },
  healthOf: undefined,
  problemsOf: () => [],
};

function health(more: Partial<TargetHealth>): TargetHealth {
  return { health: 'up', lastError: '', lastScrape: '2026-01-01T00:00:00Z', pool: '', discovered: {}, ...more };
}

describe('the status', () => {
  it('is ready only when targets are on disk and Prometheus is ready', () => {
    assert.equal(statusOf(INPUT).ready, true);
    assert.equal(statusOf({ ...INPUT, onDisk: false }).ready, false);
    const waiting = statusOf({ ...INPUT, readiness: { ready: false, reason: 'it replays its log' } });
    assert.equal(waiting.ready, false);
    assert.deepEqual(waiting.problems, ['Prometheus is not ready: it replays its log']);
    assert.equal(waiting.versions.prometheus, null);
  });

  it('has null for what has not happened yet, not a failure or 1970', () => {
    const { lastPoll, lastWrite, sync } = statusOf(INPUT);
    assert.deepEqual(lastPoll, { at: null, ok: null, lastSuccess: null, next: null });
    assert.deepEqual(lastWrite, { at: null, ok: null, file: '/targets.json', targets: 0 });
    assert.deepEqual(sync, { inSync: false, since: null });
  });

  it('reports a loss of data as a problem for a day, and as a loss of the process as long as that runs', () => {
    const losses = [{ atMs: 9 * DAY_MS, text: 'a block is lost' }];
    const at = (wallMs: number): ReturnType<typeof statusOf> =>
      statusOf({ ...INPUT, wallMs, progress: { ...INPUT.progress, supervised: { crashes: 0, losses } } });
    assert.deepEqual(at(10 * DAY_MS - 1).problems, ['a block is lost (at 1970-01-10T00:00:00.000Z)']);
    const later = at(10 * DAY_MS);
    assert.deepEqual(later.problems, []);
    assert.equal(later.prometheus.process?.losses.length, 1);
  });

  it('has the start of each problem', () => {
    const { problems } = statusOf({ ...INPUT, troubles: [{ key: 'poll', text: 'no answer', sinceMs: 0 }] });
    assert.deepEqual(problems, ['no answer (since 1970-01-01T00:00:00.000Z)']);
  });

  it('has no process where somebody else runs Prometheus', () => {
    assert.equal(statusOf({ ...INPUT, isSupervised: false }).prometheus.process, undefined);
  });

  it('keeps the units of an app that is unknown, with the reason and the start', () => {
    const app = { ...known('my-app'), unknown: { reason: 'no cluster', sinceMs: 0 } };
    const [status] = statusOf({ ...INPUT, discovery: discover(byName(app), OPTIONS) }).apps;
    assert.deepEqual(status?.unknown, { reason: 'no cluster', since: '1970-01-01T00:00:00.000Z' });
    assert.equal(status.units.length, 1);
  });

  it('shows units of the last target file as unknown until Tsuru lists them', () => {
    const labels = { __meta_tsuru_app: 'my-app', __meta_tsuru_unit: 'my-app-1', __meta_tsuru_process: 'web' };
    const app = {
      ...known('my-app', { units: [] }),
      fromTargetFile: [{ targets: ['10.0.0.1:8888'], labels }],
      unknown: { reason: 'no cluster', sinceMs: 0 },
    };
    const [status] = statusOf({ ...INPUT, discovery: discover(byName(app), OPTIONS) }).apps;
    assert.deepEqual(status?.units, [
      { unit: 'my-app-1', process: 'web', status: 'unknown', version: '', address: '10.0.0.1:8888' },
    ]);
  });

  it('has no health for a target that Prometheus does not list, and no last scrape before the first', () => {
    const app = known('my-app', { units: [unit('a'), unit('b', { internalIp: '10.0.0.2' })] });
    const [status] = statusOf({
      ...INPUT,
      discovery: discover(byName(app), OPTIONS),
      healthOf: (_app, name) =>
        name === 'a' ? health({ health: 'unknown', lastScrape: '0001-01-01T00:00:00Z' }) : undefined,
    }).apps;
    const [first, second] = status?.units ?? [];
    assert.deepEqual([first && 'health' in first && first.health, first && 'lastScrape' in first], ['unknown', false]);
    assert.equal(second && 'health' in second, false);
  });

  it('says what to do about samples that are too old, only while the target is down for them', () => {
    const problems = (one: TargetHealth): readonly string[] =>
      statusOf({ ...INPUT, discovery: discover(byName(known('my-app')), OPTIONS), healthOf: () => one }).apps[0]
        ?.problems ?? [];
    const lastError = 'too old sample';
    assert.match(
      problems(health({ health: 'down', lastError })).join(),
      /of 1 unit, .*expose samples without timestamps/,
    );
    assert.deepEqual(problems(health({ health: 'up', lastError })), []);
  });

  it('shows further problems of an app beside that app only', () => {
    const { apps } = statusOf({
      ...INPUT,
      discovery: discover(byName(known('a'), known('b')), OPTIONS),
      problemsOf: (app) => (app === 'b' ? ['samples are refused'] : []),
    });
    assert.deepEqual(
      apps.map(({ name, problems }) => [name, problems]),
      [
        ['a', []],
        ['b', ['samples are refused']],
      ],
    );
  });
});
