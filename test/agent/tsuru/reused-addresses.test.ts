import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KnownApp, Unit } from '../../../agent/discovery/known-apps.ts';
import type { ListedApp } from '../../../agent/tsuru/answers.ts';
import { releaseReused } from '../../../agent/tsuru/reused-addresses.ts';
import { byName, known, unit } from '../../support/known-apps.ts';

const AT = (internalIp: string): Partial<Unit> => ({ internalIp });
const UNKNOWN: ListedApp['units'] = { kind: 'unknown', reason: 'a cluster is away' };

function listed(name: string, units: readonly Unit[] | undefined): [string, ListedApp] {
  const { app } = known(name);
  return [name, { app, units: units === undefined ? UNKNOWN : { kind: 'known', units }, address: '' }];
}

/** An app that has two units, at 10.0.0.1 and 10.0.0.2. */
const OLD = known('old', { units: [unit('old-1', AT('10.0.0.1')), unit('old-2', AT('10.0.0.2'))] });

function unitsLeft(old: KnownApp, ...list: readonly [string, ListedApp][]): readonly string[] {
  const { known: left, problems } = releaseReused(byName(old), new Map(list));
  const { units = [], fromTargetFile = [] } = left.get('old') ?? {};
  const all = [
    ...units.map(({ name }) => name),
    ...fromTargetFile.map(({ labels }) => String(labels['__meta_tsuru_unit'])),
  ];
  assert.equal(problems.length, old.units.length + (old.fromTargetFile ?? []).length - all.length, problems.join());
  return all;
}

describe('a unit that is only kept', () => {
  const other = listed('new', [unit('new-1', AT('10.0.0.1'))]);

  it('is dropped once the list shows its address at a unit of another app', () => {
    assert.deepEqual(unitsLeft(OLD, listed('old', undefined), other), ['old-2']);
    const { problems } = releaseReused(byName(OLD), new Map([listed('old', undefined), other]));
    assert.deepEqual(problems, ['old: old-1 is no longer scraped, as its address is that of new-1 of new now']);
  });

  it('is dropped, too, while its app is missing from the list', () => {
    assert.deepEqual(unitsLeft(OLD, other), ['old-2']);
  });

  it('is kept where nothing has its address, or where the holder is unknown itself', () => {
    assert.deepEqual(unitsLeft(OLD, listed('old', undefined)), ['old-1', 'old-2']);
    assert.deepEqual(unitsLeft(OLD, listed('old', undefined), listed('new', undefined)), ['old-1', 'old-2']);
  });

  it('is kept where a unit that has ended still shows the address', () => {
    for (const status of ['stopped', 'succeeded'])
      assert.deepEqual(unitsLeft(OLD, listed('new', [unit('new-1', { ...AT('10.0.0.1'), status })])), [
        'old-1',
        'old-2',
      ]);
  });

  it('is not touched by units without an address', () => {
    const old = known('old', { units: [unit('old-1', AT(''))] });
    assert.deepEqual(unitsLeft(old, listed('new', [unit('new-1', AT(''))])), ['old-1']);
  });

  it('is compared by host and port where units share a host', () => {
    const on = (hostPort: string): Partial<Unit> => ({ internalIp: '', hostPort });
    const old = known('old', { units: [unit('old-1', on('10.0.0.1:4001')), unit('old-2', on('10.0.0.1:4002'))] });
    assert.deepEqual(unitsLeft(old, listed('new', [unit('new-1', on('10.0.0.1:4002'))])), ['old-1']);
  });
});

describe('a target of the last target file', () => {
  const group = (name: string, address: string) => ({
    targets: [address],
    labels: { __meta_tsuru_app: 'old', __meta_tsuru_unit: name },
  });
  const restored: KnownApp = {
    ...known('old', { units: [] }),
    fromTargetFile: [group('old-1', '10.0.0.1:8888'), group('old-2', '[fd00::2]:8888')],
  };

  it('is dropped once the list shows its address at another unit', () => {
    const holder = listed('new', [unit('new-1', AT('10.0.0.1')), unit('new-2', AT('fd00::2'))]);
    assert.deepEqual(unitsLeft(restored, holder), []);
    assert.deepEqual(unitsLeft(restored, listed('new', [unit('new-2', AT('fd00::2'))])), ['old-1']);
    assert.deepEqual(unitsLeft(restored, listed('old', [unit('old-3', AT('10.0.0.1'))])), ['old-2']);
  });

  it('is kept at its own unit', () => {
    assert.deepEqual(unitsLeft(restored, listed('old', [unit('old-1', AT('10.0.0.1'))])), ['old-1', 'old-2']);
  });
});

it('the very same knowledge is returned when no address is reused', () => {
  const apps = byName(OLD, known('new', { units: [unit('new-1', AT('10.0.0.9'))] }));
  const list = new Map([listed('old', undefined), listed('new', [unit('new-1', AT('10.0.0.9'))])]);
  assert.equal(releaseReused(apps, list).known, apps);
});
