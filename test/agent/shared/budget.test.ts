import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { budgetOf, isOutgrown, loadOf, seriesAt, type Budget, type Resources } from '../../../agent/shared/budget.ts';
import type { Load } from '../../../agent/shared/layout.ts';

const MIB = 2 ** 20;

function budget(memoryMib: number | undefined, volumeMib: number | undefined, more: Partial<Resources> = {}): Budget {
  return budgetOf({
    memoryLimitBytes: memoryMib === undefined ? undefined : memoryMib * MIB,
    volume: { kind: 'tmpfs', sizeBytes: volumeMib === undefined ? undefined : volumeMib * MIB },
    ...more,
  });
}

describe('the budget of an instance', () => {
  it('gives GOMEMLIMIT what tmpfs and agent leave, less a tenth', () => {
    assert.equal(budget(512, 64).goMemLimitBytes, Math.floor((512 - 128 - 64) * MIB * 0.9));
    const disk = budget(512, 4096, { volume: { kind: 'disk', sizeBytes: 4096 * MIB } });
    assert.equal(disk.goMemLimitBytes, Math.floor((512 - 128) * MIB * 0.9));
  });

  it('has short blocks and small segments for a small volume under full load, long ones for a large one', () => {
    const { limits } = budget(512, 64);
    const series = seriesAt(limits, 15_000);
    assert.deepEqual(budget(512, 64, { load: { series, samplesPerSecond: series / 15 } }).flags, [
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
      '--storage.tsdb.wal-segment-size=128MB',
    ]);
  });

  it('keeps the retention well below the volume, also where more is wanted', () => {
    assert.equal(budget(512, 64).retentionSizeBytes, 44 * MIB);
    assert.equal(budget(512, 64, { load: { series: 20_000, samplesPerSecond: 1_300 } }).retentionSizeBytes, 35 * MIB);
    assert.equal(budget(512, 64, { retentionSizeBytes: 60 * MIB }).retentionSizeBytes, 44 * MIB);
    assert.equal(budget(512, 64, { retentionSizeBytes: 20 * MIB }).retentionSizeBytes, 20 * MIB);
  });

  it('is bound by the memory or by the volume, whichever is tighter at that interval', () => {
    const { limits } = budget(512, 64);
    assert.deepEqual(
      limits.map((limit) => limit.of),
      ['memory', 'volume', 'volume'],
    );
    assert.ok(seriesAt(limits, 15_000) > 15_000 && seriesAt(limits, 15_000) < 30_000);
    assert.ok(seriesAt(limits, 1_000) < 3_000);
  });

  it('shows the sum when it is tight, and then uses half of the space for the data', () => {
    const { problems, retentionSizeBytes, refusal } = budget(230, 64);
    assert.deepEqual(problems, [
      '230 MiB of memory are too few: the agent takes 128 MiB, Prometheus at least 59 MiB, the tmpfs with the data 64 MiB, together 251 MiB; choose a plan with more memory',
    ]);
    assert.equal(retentionSizeBytes, 35 * MIB);
    assert.equal(refusal, undefined);
    assert.deepEqual(budget(512, 64).problems, []);
  });

  it('uses half of the memory for a tmpfs that has no size of its own, or one above the memory', () => {
    for (const volumeMib of [500, 4096, undefined]) {
      const { goMemLimitBytes, retentionSizeBytes, refusal } = budget(500, volumeMib);
      assert.equal(retentionSizeBytes, 130 * MIB);
      assert.equal(goMemLimitBytes, Math.floor(186 * MIB * 0.9));
      assert.equal(refusal, undefined);
    }
  });

  it('is refused with the sum where GOMEMLIMIT or retention.size would be 0 or hardly more, as 0 is no limit', () => {
    const disk = (sizeMib: number): Partial<Resources> => ({ volume: { kind: 'disk', sizeBytes: sizeMib * MIB } });
    const table: readonly [Budget, RegExp | undefined][] = [
      ...[0, 1, 50, 100, 130, 172].map((memory): [Budget, RegExp] => [
        budget(memory, undefined, disk(1024)),
        new RegExp(
          `^Prometheus cannot run in ${memory} MiB of memory: the agent takes 128 MiB, which leaves ${Math.max(0, memory - 128)} MiB, but GOMEMLIMIT is 90 % of it and needs at least 40 MiB; choose a plan with more memory$`,
        ),
      ]),
      [budget(173, undefined, disk(1024)), undefined],
      [budget(0, 0), /^Prometheus cannot run in 0 MiB/],
      [budget(200, 512), /the agent takes 128 MiB and the tmpfs 36 MiB of its 512 MiB, which leaves 36 MiB, but/],
      [budget(218, 64), undefined],
      [budget(512, 1), /^Prometheus cannot store in 1 MiB: retention.size is 55 % of it and needs at least 16 MiB;/],
      [budget(512, 29), /choose a volume of 30 MiB or more$/],
      [budget(512, 30), undefined],
      [budget(512, undefined, disk(10)), /^Prometheus cannot store in 10 MiB/],
      [budget(undefined, 0), /^Prometheus cannot store in 0 MiB/],
    ];
    for (const [{ refusal, goMemLimitBytes, retentionSizeBytes }, wanted] of table) {
      if (wanted !== undefined) assert.match(refusal ?? '', wanted);
      else {
        assert.equal(refusal, undefined);
        assert.ok((goMemLimitBytes ?? 0) >= 40 * MIB && (retentionSizeBytes ?? 0) >= 16 * MIB);
      }
    }
  });

  it('counts a quarter more memory a series for each receiver of remote_write', () => {
    const memory = (receivers: number): number => budget(1024, 256, { receivers }).limits[0]?.series ?? 0;
    assert.ok(memory(1) < memory(0) / 1.25 && memory(1) > memory(0) / 1.3);
    assert.ok(memory(3) < memory(0) / 1.75);
  });

  it('sets nothing for unknown sizes', () => {
    assert.deepEqual(budget(undefined, undefined), {
      goMemLimitBytes: undefined,
      retentionSizeBytes: undefined,
      flags: [],
      layout: undefined,
      limits: [],
      problems: [],
      refusal: undefined,
    });
    assert.equal(seriesAt([], 15_000), Infinity);
    const disk = { volume: { kind: 'disk', sizeBytes: undefined } } as const;
    assert.equal(budget(512, undefined, { ...disk, retentionSizeBytes: 7 }).retentionSizeBytes, 7);
  });

  it('keeps a block duration that was just chosen, at any load: else Prometheus would be restarted again and again', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 30, max: 32_768 }),
        fc.double({ min: 0, max: 1.2, noNaN: true }),
        fc.integer({ min: 1, max: 1_000 }),
        (volumeMib, share, days) => {
          const retentionMs = days * 86_400_000;
          const series = seriesAt(budget(undefined, volumeMib).limits, 15_000) * share;
          const times = (factor: number): Load => ({
            series: series * factor,
            samplesPerSecond: (series * factor) / 15,
          });
          const made = { retentionMs, load: times(1.25) };
          const { layout } = budget(undefined, volumeMib, made);
          assert.ok(layout !== undefined);
          const resources = { memoryLimitBytes: undefined, ...made, layout };
          const volume = { kind: 'tmpfs', sizeBytes: volumeMib * MIB } as const;
          assert.equal(isOutgrown({ ...resources, volume }, { layout, usedBytes: Infinity }, times(1 / 1.25)), false);
        },
      ),
    );
  });

  it('takes more of the volume for the retention the lower the load is, and never more than its peak leaves', () => {
    const shareOf = (series: number): number => {
      const { retentionSizeBytes = 0 } = budget(undefined, 256, { load: { series, samplesPerSecond: series / 15 } });
      return Math.round((100 * retentionSizeBytes) / (256 * MIB));
    };
    assert.deepEqual([100, 1_000, 20_000, 70_000].map(shareOf), [70, 65, 55, 55]);
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
