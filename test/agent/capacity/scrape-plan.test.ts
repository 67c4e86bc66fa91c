import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  MARGIN,
  planScrapes,
  type PlanMemory,
  type ScrapePlan,
  type WantedApp,
} from '../../../agent/capacity/scrape-plan.ts';
import { budgetOf, loadOf, seriesAt, type Limit } from '../../../agent/shared/budget.ts';

/** 10,000 series at 15 s: half of it by their number, half by their rate. */
const LIMITS: readonly Limit[] = [{ of: 'memory', series: 20_000, samplesPerSecond: 20_000 / 15 }];
const MIB = 2 ** 20;

function app(name: string, count: number, samples: number | undefined, intervalMs = 15_000): WantedApp {
  return {
    app: name,
    targets: Array.from({ length: count }, (_, index) => ({
      key: `${name}-${index}`,
      process: 'web',
      intervalMs,
      samples,
    })),
  };
}

function plan(apps: readonly WantedApp[], memory?: PlanMemory, limits = LIMITS): ScrapePlan {
  return planScrapes({ apps, limits, memory });
}

/** What an app was given: how many targets at which intervals with which sample limits; one with a limit of 1 is only measured. */
function given({ apps }: ScrapePlan, name: string): string {
  const found = apps.find(({ app }) => app === name);
  const kinds = new Map<string, number>();
  for (const { intervalMs, sampleLimit, isProbe } of found?.targets ?? []) {
    const kind = isProbe ? `measured<=${sampleLimit}` : `${intervalMs / 1000}s<=${sampleLimit}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  const kept = [...kinds].map(([kind, count]) => `${count}x${kind}`).sort();
  return [...kept, `${found?.leftOut.length ?? 0} out`].join(', ');
}

/** How much of the budget is planned, as measured, without targets that are only measured. */
function measuredLoad(apps: readonly WantedApp[], { apps: planned }: ScrapePlan, limits = LIMITS): number {
  const samplesOf = new Map(apps.flatMap(({ targets }) => targets.map(({ key, samples }) => [key, samples ?? 0])));
  const scraped = planned.flatMap(({ targets }) => targets.filter(({ isProbe }) => !isProbe));
  return loadOf(
    limits,
    scraped.reduce((sum, { key }) => sum + (samplesOf.get(key) ?? 0), 0),
    scraped.reduce((sum, { key, intervalMs }) => sum + ((samplesOf.get(key) ?? 0) * 1000) / intervalMs, 0),
  );
}

function wantedLoad(apps: readonly WantedApp[]): number {
  const targets = apps.flatMap((one) => one.targets);
  return loadOf(
    LIMITS,
    targets.reduce((sum, { samples }) => sum + (samples ?? 0), 0),
    targets.reduce((sum, { samples, intervalMs }) => sum + ((samples ?? 0) * 1000) / intervalMs, 0),
  );
}

/** That all is scraped as it wants to be. */
function assertWhole(apps: readonly WantedApp[], planned: ScrapePlan): void {
  for (const { app: name, targets } of apps) {
    const found = planned.apps.find((one) => one.app === name);
    assert.deepEqual(found?.leftOut, []);
    assert.deepEqual(found.notes, []);
    assert.deepEqual(
      new Map(found.targets.map(({ key, intervalMs }) => [key, intervalMs])),
      new Map(targets.map(({ key, intervalMs }) => [key, intervalMs])),
    );
  }
}

/** This many apps with targets of any size. */
function someApps(most: number): fc.Arbitrary<readonly WantedApp[]> {
  const target = fc.record({
    samples: fc.integer({ min: 1, max: most }),
    intervalMs: fc.constantFrom(1_000, 15_000, 60_000, 300_000),
    process: fc.constantFrom('web', 'worker'),
  });
  return fc.array(fc.array(target, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 }).map((all) =>
    all.map((targets, index) => ({
      app: `app-${index}`,
      targets: targets.map((one, unit) => ({ ...one, key: `app-${index}-${unit}` })),
    })),
  );
}

/** The same apps with other measurements, of each target this many times more. */
function changed(apps: readonly WantedApp[], by: (index: number) => number): readonly WantedApp[] {
  let index = 0;
  return apps.map((one) => ({
    ...one,
    targets: one.targets.map((target) => ({ ...target, samples: (target.samples ?? 0) * by(index++) })),
  }));
}

describe('the plan of scrapes', () => {
  it('scrapes everything as desired when it fits', () => {
    const apps = [app('blog', 3, 200), app('shop', 2, 2_460, 30_000)];
    const planned = plan(apps);
    assert.equal(given(planned, 'blog'), '3x15s<=2000, 0 out');
    assert.equal(given(planned, 'shop'), '2x30s<=16000, 0 out');
    assertWhole(apps, planned);
  });

  it('counts targets for what they expose, on a volume of 256 MiB: neither targets of 930 nor of 470 samples lose anything', () => {
    const { limits } = budgetOf({ memoryLimitBytes: 1_024 * MIB, volume: { kind: 'tmpfs', sizeBytes: 256 * MIB } });
    const most = seriesAt(limits, 15_000);
    for (const [samples, share] of [
      [930, 0.71],
      [470, 0.48],
      [930, 0.99],
      [1_001, 0.99],
    ] as const) {
      const units = Math.floor((most * share) / samples);
      const apps = [app('a', Math.floor(units / 2), samples), app('b', units - Math.floor(units / 2), samples)];
      assertWhole(apps, plan(apps, undefined, limits));
    }
  });

  it('counts a new unit as what the other units of its process expose, and those of a deploy as what the old ones exposed', () => {
    const [known, ...others] = app('shop', 45, 200).targets;
    assert.ok(known);
    const units = { app: 'shop', targets: [known, ...others.map((one) => ({ ...one, samples: undefined }))] };
    const planned = plan([units]);
    assert.equal(given(planned, 'shop'), '45x15s<=2000, 0 out');
    const replaced = { app: 'shop', targets: app('new', 45, undefined).targets };
    const after = plan([replaced], planned.memory);
    assert.equal(given(after, 'shop'), '45x15s<=2000, 0 out');
    assert.deepEqual(after.memory.usual, planned.memory.usual);
  });

  it('does not count a unit as what another process of its app exposes', () => {
    const web = app('web', 2, 200).targets;
    const worker = app('worker', 1, 50_000).targets.map((one) => ({ ...one, process: 'worker' }));
    const added = app('added', 1, undefined).targets;
    const planned = plan([{ app: 'shop', targets: [...web, ...worker, ...added] }]);
    assert.equal(given(planned, 'shop'), '1xmeasured<=1, 3x15s<=2000, 1 out');
  });

  it('gives unmeasured targets only free capacity, and else measures one of each process', () => {
    const known = app('known', 12, 800);
    const planned = plan([known, app('new', 30, undefined)]);
    assert.equal(given(planned, 'known'), '12x15s<=2000, 0 out');
    assert.equal(given(planned, 'new'), '1xmeasured<=1, 30 out');
    const [first, ...rest] = app('new', 30, undefined).targets;
    assert.ok(first);
    const measured = { app: 'new', targets: [{ ...first, samples: 10 }, ...rest] };
    assert.equal(given(plan([known, measured], planned.memory), 'new'), '30x15s<=2000, 0 out');
  });

  it('counts targets that are left out as what the others of their app expose now, so that none of them is preferred', () => {
    const calm = plan([app('huge', 200, 200)]);
    const keysOf = ({ apps }: ScrapePlan): ReadonlySet<string> =>
      new Set(apps[0]?.targets.filter(({ isProbe }) => !isProbe).map(({ key }) => key));
    const before = keysOf(calm);
    assert.ok(before.size > 0 && before.size < 200);
    // What is left out is not in Prometheus' answer.
    const targets = app('huge', 200, 1_900).targets.map((target) =>
      before.has(target.key) ? target : { ...target, samples: undefined },
    );
    const after = keysOf(plan([{ app: 'huge', targets }], calm.memory));
    assert.ok(after.size > 0 && after.size < before.size);
    assert.deepEqual(
      [...after].filter((key) => !before.has(key)),
      [],
    );
  });

  it('leaves small apps alone and stretches the intervals of the one that needs more than its share', () => {
    const planned = plan([app('huge', 12, 900), app('small', 2, 200)]);
    assert.equal(given(planned, 'small'), '2x15s<=2000, 0 out');
    assert.equal(given(planned, 'huge'), '12x30s<=2000, 0 out');
    assert.deepEqual(planned.apps[0]?.notes, [
      'over capacity: scraped every 30s instead of every 15s; expose less, or choose a larger plan with "tsuru service-instance-update -p PLAN"',
    ]);
  });

  it('leaves out what does not fit at the longest interval either, says why, and still measures one of it', () => {
    const planned = plan([app('huge', 40, 900), app('small', 2, 200)]);
    assert.equal(given(planned, 'small'), '2x15s<=2000, 0 out');
    assert.equal(given(planned, 'huge'), '17x120s<=2000, 1xmeasured<=1, 23 out');
    assert.equal(
      planned.apps[0]?.leftOut[0]?.reason,
      'over capacity: needs room for 900 samples per scrape; expose less, or choose a larger plan with "tsuru service-instance-update -p PLAN"',
    );
  });

  it('gives the share that an app with a single huge target cannot use to the other apps', () => {
    const planned = plan([app('giant', 1, 100_000), app('shop', 10, 900)]);
    assert.equal(given(planned, 'giant'), '1xmeasured<=1, 1 out');
    assert.equal(given(planned, 'shop'), '10x15s<=2000, 0 out');
  });

  it('scrapes those with small targets first when there are too many apps for a share each', () => {
    const planned = plan(Array.from({ length: 100 }, (_, index) => app(`app-${index}`, 2, index < 50 ? 900 : 200)));
    assert.ok(planned.load > 0.95, `load ${planned.load}`);
    const kept = planned.apps.map(({ app: name, targets }) => ({
      isSmall: Number(name.slice(4)) >= 50,
      of: targets.filter(({ isProbe }) => !isProbe).length,
    }));
    assert.ok(kept.every(({ isSmall, of }) => (isSmall ? of >= 1 : of === 0)));
  });

  it('lets only the exploding app fail, still measures it, and scrapes it again once it fits', () => {
    const calm = [app('a', 4, 900), app('b', 4, 900)];
    const before = plan(calm);
    const exploded = plan([app('a', 4, 50_000), app('b', 4, 900)], before.memory);
    assert.equal(given(exploded, 'a'), '4xmeasured<=2000, 4 out');
    assert.equal(given(exploded, 'b'), '4x15s<=2000, 0 out');
    assertWhole(calm, plan(calm, exploded.memory));
    const deployed = [app('new', 4, undefined), app('b', 4, 900)].map((one) => ({
      ...one,
      app: one.app === 'new' ? 'a' : 'b',
    }));
    const after = plan(deployed, exploded.memory);
    assert.equal(given(after, 'a'), '1xmeasured<=1, 4 out');
    const [first, ...rest] = app('new', 4, undefined).targets;
    assert.ok(first);
    const measured = { app: 'a', targets: [{ ...first, samples: 900 }, ...rest] };
    assert.equal(given(plan([measured, app('b', 4, 900)], after.memory), 'a'), '4x15s<=2000, 0 out');
  });

  it('keeps an app that exploded, and its interval, as older Prometheus versions create all its series when its scrapes end', () => {
    const before = plan([app('a', 12, 900), app('b', 1, 100)]);
    assert.equal(given(before, 'a'), '12x30s<=2000, 0 out');
    const exploded = plan([app('a', 12, 90_000), app('b', 1, 100)], before.memory);
    assert.deepEqual(
      exploded.apps[0]?.targets,
      before.apps[0]?.targets.map((target) => ({ ...target, isProbe: true })),
    );
    const down = plan([app('a', 12, undefined), app('b', 1, 100)], exploded.memory);
    assert.deepEqual(down.apps[0]?.targets, exploded.apps[0]?.targets);
  });

  it('changes the sample limit of a target only when it outgrows it, or is far below', () => {
    const of = (samples: number, memory?: PlanMemory): ScrapePlan => plan([app('a', 1, samples, 300_000)], memory);
    const grown = of(1_900, of(1_000).memory);
    assert.equal(given(grown, 'a'), '1x300s<=16000, 0 out');
    assert.equal(given(of(1_000, grown.memory), 'a'), '1x300s<=16000, 0 out');
    assert.equal(given(of(400, grown.memory), 'a'), '1x300s<=2000, 0 out');
  });

  it('stretches all intervals by the factor of the volume guard, up to 2 minutes and never below the desired one', () => {
    const planned = planScrapes({ apps: [app('a', 1, 200), app('b', 1, 200, 300_000)], limits: LIMITS, factor: 16 });
    assert.equal(given(planned, 'a'), '1x120s<=2000, 0 out');
    assert.equal(given(planned, 'b'), '1x300s<=2000, 0 out');
  });

  it('has no limit when the budget has none', () => {
    assert.equal(given(plan([app('a', 1, 900_000)], undefined, []), 'a'), '1x15s<=Infinity, 0 out');
  });

  it('scrapes all that fits by the present measurements, whatever was measured before', () => {
    fc.assert(
      fc.property(
        someApps(3_000),
        fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 96, maxLength: 96 }),
        (apps, factors) => {
          fc.pre(wantedLoad(apps) <= 1);
          assertWhole(apps, plan(apps));
          const before = plan(
            changed(apps, (index) => factors[index] ?? 1),
            undefined,
          );
          assertWhole(apps, plan(apps, before.memory));
        },
      ),
    );
  });

  it('never exceeds the budget by what is measured, is the same in any order, and stable', () => {
    fc.assert(
      fc.property(someApps(200_000), (apps) => {
        const planned = plan(apps);
        assert.ok(measuredLoad(apps, planned) <= 1 + 1e-9);
        assert.ok(planned.load <= 1 + 1e-9);
        assert.deepEqual(plan(apps.toReversed()), planned);
        assert.deepEqual(plan(apps, planned.memory).apps, planned.apps);
      }),
    );
  });

  it('changes nothing while measurements move by less than the margin, unless everything fits now', () => {
    fc.assert(
      fc.property(
        someApps(20_000),
        fc.array(fc.double({ min: 1 / MARGIN + 1e-6, max: MARGIN - 1e-6, noNaN: true }), {
          minLength: 96,
          maxLength: 96,
        }),
        (apps, factors) => {
          const before = plan(apps);
          const moved = changed(apps, (index) => factors[index] ?? 1);
          fc.pre(wantedLoad(apps) <= 1 || wantedLoad(moved) > 1);
          const after = plan(moved, before.memory);
          // Only a target that outgrows its sample limit changes that.
          const withoutLimits = ({ apps: planned }: ScrapePlan): unknown =>
            planned.map((one) => ({
              ...one,
              targets: one.targets.map(({ key, intervalMs }) => ({ key, intervalMs })),
            }));
          assert.deepEqual(withoutLimits(after), withoutLimits(before));
        },
      ),
    );
  });

  it('is the same for the same measurements after any history, but for what is within the margin', () => {
    fc.assert(
      fc.property(someApps(20_000), someApps(20_000), (apps, others) => {
        // So far away that no measurement is within the margin of another one.
        const history = plan(
          changed(apps, (index) => (index % 2 === 0 ? 3 : 0.2)),
          plan(others).memory,
        );
        const intervals = ({ apps: planned }: ScrapePlan): unknown =>
          planned.map(({ app: name, targets, leftOut }) => ({
            name,
            leftOut,
            targets: targets.filter(({ isProbe }) => !isProbe).map(({ key, intervalMs }) => ({ key, intervalMs })),
          }));
        assert.deepEqual(intervals(plan(apps, history.memory)), intervals(plan(apps)));
      }),
    );
  });

  it('keeps the plan after a restart until Prometheus has measured the targets', () => {
    const memory = {
      samples: new Map(),
      usual: new Map(),
      scraped: new Map(
        app('huge', 200, 0).targets.map(({ key }) => [key, { intervalMs: 120_000, sampleLimit: 16_000 }]),
      ),
      isStanding: true,
    };
    const planned = plan([app('huge', 200, undefined), app('new', 1, undefined)], memory);
    assert.equal(given(planned, 'huge'), '200x120s<=16000, 0 out');
    assert.equal(given(planned, 'new'), '1x15s<=2000, 0 out');
  });
});
