import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applied, beginProof, observe, type Observation, type Proof } from '../../../../agent/prometheus/sync/proof.ts';

/** What Prometheus reports while it has a version of 10 targets, of second 100, applied with its third sync. */
const OLD: Observation = { mtimeSeconds: 100, syncs: 3, poolTargets: 10, startSeconds: 1 };

/** The proof of a version of second 101, after one of 10 targets that was applied. */
function begin(targets: number): Proof {
  const before = applied(beginProof({ seconds: 100, targets: 10 }, undefined));
  return beginProof({ seconds: 101, targets }, observe(before, OLD));
}

/** How far the version has come after each observation. */
function progress(proof: Proof, ...observations: readonly Partial<Observation>[]): string[] {
  let now = proof;
  return observations.map((observation) => {
    now = observe(now, { ...OLD, ...observation });
    return now.progress;
  });
}

describe('a version of the target file', () => {
  it('is not read while Prometheus reports the timestamp of another, or none', () => {
    assert.deepEqual(progress(begin(12), OLD, { mtimeSeconds: undefined }, { mtimeSeconds: 102 }), [
      'not_read',
      'not_read',
      'not_read',
    ]);
  });

  it('that was read is applied once two syncs are counted after that: the first may have begun before', () => {
    assert.deepEqual(
      progress(begin(10), { mtimeSeconds: 101 }, { mtimeSeconds: 101, syncs: 4 }, { mtimeSeconds: 101, syncs: 5 }),
      ['read', 'read', 'applied'],
    );
  });

  it('is not applied because of a sync from before it was seen to be read', () => {
    assert.deepEqual(progress(begin(10), { syncs: 4 }, { mtimeSeconds: 101, syncs: 5 }), ['not_read', 'read']);
  });

  it('is applied when the pool has as many targets as only this version', () => {
    assert.deepEqual(progress(begin(12), { mtimeSeconds: 101 }, { mtimeSeconds: 101, poolTargets: 12 }), [
      'read',
      'applied',
    ]);
  });

  it('is not applied because the pool has as many targets, when the version before had as many, too: addresses may be swapped', () => {
    assert.deepEqual(progress(begin(10), { mtimeSeconds: 101, poolTargets: 10 }), ['read']);
  });

  it('is not applied because the pool has as many targets, when a version between that was never proven had as many', () => {
    const between = observe(begin(12), { ...OLD, mtimeSeconds: 101 });
    const last = beginProof({ seconds: 102, targets: 10 }, between);
    assert.deepEqual(progress(last, { mtimeSeconds: 102, poolTargets: 10 }), ['read']);
    const other = beginProof({ seconds: 102, targets: 12 }, between);
    assert.deepEqual(progress(other, { mtimeSeconds: 102, poolTargets: 12 }), ['read']);
  });

  it('as the first is not applied because the pool has as many targets: another agent may have written those', () => {
    const first = beginProof({ seconds: 101, targets: 10 }, undefined);
    assert.deepEqual(progress(first, { mtimeSeconds: 101 }, { mtimeSeconds: 101, syncs: 5 }), ['read', 'applied']);
  });

  it('as the first is applied by its count once the pool was seen without targets', () => {
    const first = beginProof({ seconds: 101, targets: 10 }, undefined);
    const started = { mtimeSeconds: undefined, syncs: undefined, poolTargets: undefined };
    assert.deepEqual(progress(first, started, { mtimeSeconds: 101 }), ['not_read', 'applied']);
  });

  it('with fewer targets is applied although Prometheus forgets the time of a file that became shorter', () => {
    const forgotten = { mtimeSeconds: undefined };
    assert.deepEqual(
      progress(
        begin(8),
        { ...forgotten, poolTargets: 10 },
        { ...forgotten, poolTargets: 8 },
        { ...forgotten, poolTargets: 8 },
      ),
      ['not_read', 'applied', 'applied'],
    );
  });

  it('stays applied while nothing changes', () => {
    const done = { mtimeSeconds: 101, syncs: 4, poolTargets: 12 };
    assert.deepEqual(progress(begin(12), done, done, { ...done, syncs: 9 }), ['applied', 'applied', 'applied']);
  });

  it('is proven anew after a restart of Prometheus', () => {
    const done = { mtimeSeconds: 101, syncs: 4, poolTargets: 12 };
    const restarted = { ...done, startSeconds: 2 };
    assert.deepEqual(
      progress(
        begin(12),
        done,
        { ...restarted, mtimeSeconds: undefined, syncs: undefined, poolTargets: undefined },
        { ...restarted, syncs: 1, poolTargets: 0 },
        { ...restarted, syncs: 1, poolTargets: 12 },
      ),
      ['applied', 'not_read', 'read', 'applied'],
    );
  });

  it('falls back when Prometheus reads another file', () => {
    assert.deepEqual(
      progress(begin(12), { mtimeSeconds: 101, poolTargets: 12 }, { mtimeSeconds: 99, poolTargets: 12 }),
      ['applied', 'not_read'],
    );
  });
});
