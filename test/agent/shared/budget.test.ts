import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  budgetOf,
  loadOf,
  retentionIsReloadable,
  seriesAt,
  type Budget,
  type Resources,
} from '../../../agent/shared/budget.ts';

const MIB = 2 ** 20;

/** With an agent of 100 MiB. */
function budget(memoryMib: number | undefined, volumeMib: number | undefined, more: Partial<Resources> = {}): Budget {
  return budgetOf({
    memoryLimitBytes: memoryMib === undefined ? undefined : memoryMib * MIB,
    volume: { kind: 'tmpfs', sizeBytes: volumeMib === undefined ? undefined : volumeMib * MIB },
    agentBytes: 100 * MIB,
    ...more,
  });
}

describe('the budget of an instance', () => {
  it('leaves GOMEMLIMIT what tmpfs and agent do not take, less a tenth', () => {
    assert.equal(budget(512, 64).goMemLimitBytes, Math.floor((512 - 100 - 64) * MIB * 0.9));
    const disk = budget(512, 4096, { volume: { kind: 'disk', sizeBytes: 4096 * MIB } });
    assert.equal(disk.goMemLimitBytes, Math.floor((512 - 100) * MIB * 0.9));
  });

  it('has short blocks and small segments for a small volume, long ones for a large one', () => {
    assert.deepEqual(budget(512, 64).flags, [
      '--storage.tsdb.min-block-duration=5m',
      '--storage.tsdb.max-block-duration=5m',
      '--storage.tsdb.max-block-chunk-segment-size=1MB',
      '--storage.tsdb.wal-segment-size=10MB',
    ]);
    const disk = budget(4096, undefined, { volume: { kind: 'disk', sizeBytes: 20_480 * MIB } });
    assert.deepEqual(disk.flags, [
      '--storage.tsdb.min-block-duration=2h',
      '--storage.tsdb.max-block-duration=18h',
      '--storage.tsdb.max-block-chunk-segment-size=64MB',
    ]);
  });

  it('keeps the retention well below the volume, also where more is wanted', () => {
    assert.equal(budget(512, 64).retentionSizeBytes, 35 * MIB);
    assert.equal(budget(512, 64, { retentionSizeBytes: 60 * MIB }).retentionSizeBytes, 35 * MIB);
    assert.equal(budget(512, 64, { retentionSizeBytes: 20 * MIB }).retentionSizeBytes, 20 * MIB);
  });

  it('is bound by the memory or by the volume, whichever is tighter at that interval', () => {
    const { limits } = budget(512, 64);
    assert.deepEqual(
      limits.map((limit) => limit.of),
      ['memory', 'volume'],
    );
    assert.ok(seriesAt(limits, 15_000) > 15_000 && seriesAt(limits, 15_000) < 30_000);
    assert.ok(seriesAt(limits, 1_000) < 3_000);
  });

  it('says with the sum what does not fit, and then uses half of what there is for the data', () => {
    const { problems, retentionSizeBytes } = budget(160, 64);
    assert.equal(problems.length, 1);
    assert.match(
      problems[0] ?? '',
      /^160 MiB of memory are too few: the agent takes 100 MiB, Prometheus at least \d+ MiB, the tmpfs with the data 64 MiB, together \d+ MiB; choose a plan with more memory$/,
    );
    assert.equal(retentionSizeBytes, 16 * MIB);
    assert.deepEqual(budget(512, 64).problems, []);
  });

  it('uses half of the memory for a tmpfs without a size of its own, which is as large as the memory', () => {
    const { goMemLimitBytes, retentionSizeBytes } = budget(500, 500);
    assert.equal(retentionSizeBytes, 110 * MIB);
    assert.equal(goMemLimitBytes, Math.floor(200 * MIB * 0.9));
  });

  it('sets nothing for what is not known', () => {
    assert.deepEqual(budget(undefined, undefined), {
      goMemLimitBytes: undefined,
      retentionSizeBytes: undefined,
      flags: [],
      limits: [],
      problems: [],
    });
    assert.equal(seriesAt([], 15_000), Infinity);
    assert.equal(budget(512, undefined, { retentionSizeBytes: 7 }).retentionSizeBytes, 7);
  });

  it('holds no less with more memory, and loads add up', () => {
    const memory = fc.integer({ min: 128, max: 16_384 });
    fc.assert(
      fc.property(memory, memory, fc.integer({ min: 16, max: 8_192 }), (a, b, volume) => {
        const [less, more] = [budget(Math.min(a, b), volume), budget(Math.max(a, b), volume)];
        if (less.problems.length === 0) {
          assert.ok(seriesAt(less.limits, 15_000) <= seriesAt(more.limits, 15_000));
          assert.deepEqual(more.problems, []);
        }
        const series = seriesAt(more.limits, 15_000);
        assert.ok(loadOf(more.limits, series, series / 15) <= 1);
      }),
    );
  });
});

describe('the retention', () => {
  it('is part of the configuration from Prometheus 3.11 on', () => {
    const versions = ['2.42.0+ds', '2.99.1', '3.8.1', '3.10.0', '3.11.0', '3.16.0', '4.0.0-rc.0', ''];
    assert.deepEqual(versions.map(retentionIsReloadable), [false, false, false, false, true, true, true, false]);
  });
});
