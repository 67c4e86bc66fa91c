import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { planScrapes, type PlanMemory, type ScrapePlan, type WantedApp } from '../../../agent/budget/plan.ts';
import { loadOf, type Limit } from '../../../agent/shared/budget.ts';

/** 10,000 series at 15 s: half of it by their number, half by their rate. */
const LIMITS: readonly Limit[] = [{ of: 'memory', series: 20_000, samplesPerSecond: 20_000 / 15 }];

function app(name: string, count: number, samples: number | undefined, intervalMs = 15_000): WantedApp {
  return {
    app: name,
    targets: Array.from({ length: count }, (_, index) => ({ key: `${name}-${index}`, intervalMs, samples })),
  };
}

function plan(apps: readonly WantedApp[], memory?: PlanMemory, limits = LIMITS): ScrapePlan {
  return planScrapes({ apps, limits, memory });
}

/** What an app was given: how many targets at which intervals with which sample limits. */
function given({ apps }: ScrapePlan, name: string): string {
  const found = apps.find(({ app }) => app === name);
  const kinds = new Map<string, number>();
  for (const { intervalMs, sampleLimit } of found?.targets ?? []) {
    const kind = `${intervalMs / 1000}s<=${sampleLimit}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  const kept = [...kinds].map(([kind, count]) => `${count}x${kind}`);
  return [...kept, `${found?.leftOut.length ?? 0} out`].join(', ');
}

describe('the plan of scrapes', () => {
  it('gives everything as wanted when it fits, with twice the room at most', () => {
    const planned = plan([app('blog', 3, 200), app('shop', 2, 460, 30_000)]);
    assert.equal(given(planned, 'blog'), '3x15s<=250, 0 out');
    assert.equal(given(planned, 'shop'), '2x30s<=1000, 0 out');
    assert.deepEqual(
      planned.apps.flatMap(({ notes }) => notes),
      [],
    );
  });

  it('takes the new units of a deploy for what the old ones exposed, and units of which nothing is known for more', () => {
    const first = plan([app('shop', 8, undefined)]);
    assert.equal(given(first, 'shop'), '8x15s<=1000, 0 out');
    const known = plan([app('shop', 8, 200)], first.memory);
    assert.equal(given(known, 'shop'), '8x15s<=250, 0 out');
    const replaced = { app: 'shop', targets: app('new', 8, undefined, 3_000).targets };
    assert.equal(given(plan([replaced], known.memory), 'shop'), '8x3s<=250, 0 out');
    assert.equal(given(plan([replaced], first.memory), 'shop'), '8x12s<=1000, 0 out');
  });

  it('takes targets that are left out for what the others of their app expose now, so that none of them is preferred', () => {
    const calm = plan([app('huge', 200, 200)]);
    const keysOf = ({ apps }: ScrapePlan): ReadonlySet<string> => new Set(apps[0]?.targets.map(({ key }) => key));
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
    assert.equal(given(planned, 'small'), '2x15s<=250, 0 out');
    assert.equal(given(planned, 'huge'), '12x30s<=1000, 0 out');
    assert.deepEqual(planned.apps[0]?.notes, [
      'scraped every 30s instead of every 15s: more does not fit into this instance',
    ]);
  });

  it('leaves out what does not fit at the longest interval either, and says why', () => {
    const planned = plan([app('huge', 40, 900), app('small', 2, 200)]);
    assert.equal(given(planned, 'small'), '2x15s<=250, 0 out');
    assert.equal(given(planned, 'huge'), '16x120s<=1000, 24 out');
    assert.equal(
      planned.apps[0]?.leftOut[0]?.reason,
      'its 1,000 samples a scrape do not fit into this instance beside the others, even with longer intervals: choose a larger plan, or expose less',
    );
  });

  it('gives to the others what an app with a single huge target cannot use', () => {
    const planned = plan([app('giant', 1, 100_000), app('shop', 11, 900)]);
    assert.equal(given(planned, 'giant'), '1 out');
    assert.equal(given(planned, 'shop'), '11x30s<=1000, 0 out');
  });

  it('gives one target to as many apps as it can, and to those with small ones first, when there are too many apps for a share each', () => {
    const many = Array.from({ length: 100 }, (_, index) => app(`app-${index}`, 2, index < 50 ? 900 : 200));
    const planned = plan(many);
    assert.ok(planned.load > 0.95, `load ${planned.load}`);
    const kept = planned.apps.map(({ app: name, targets }) => ({
      isSmall: Number(name.slice(4)) >= 50,
      of: targets.length,
    }));
    assert.ok(kept.every(({ isSmall, of }) => !isSmall || of >= 1));
    assert.ok(kept.some(({ isSmall, of }) => !isSmall && of === 1));
    assert.ok(kept.every(({ isSmall, of }) => isSmall || of <= 1));
  });

  it('lets an app that explodes fail alone: it keeps its limit, the others everything', () => {
    const before = plan([app('a', 4, 900), app('b', 4, 900)]);
    const planned = plan([app('a', 4, 9_000), app('b', 4, 900)], before.memory);
    assert.equal(given(planned, 'a'), '4x15s<=1000, 0 out');
    assert.equal(given(planned, 'b'), '4x15s<=1000, 0 out');
    assert.deepEqual(planned.apps[0]?.notes, [
      'exposes 9,000 samples a scrape, above its limit of 1,000, and is not scraped: more does not fit into this instance',
    ]);
    assert.deepEqual(planned.apps[1]?.notes, []);
  });

  it('raises the limit of an app that grows where that is free, those that need least first', () => {
    const before = plan([app('a', 1, 900), app('b', 1, 900), app('c', 1, 900)]);
    const planned = plan([app('a', 1, 7_000), app('b', 1, 1_500), app('c', 1, 900)], before.memory);
    assert.equal(given(planned, 'a'), '1x15s<=1000, 0 out');
    assert.equal(given(planned, 'b'), '1x15s<=2000, 0 out');
  });

  it('raises the limit of an app that grows within its share, although another has taken all that is free', () => {
    const before = plan([app('huge', 12, 900), app('small', 2, 200)]);
    const planned = plan([app('huge', 12, 900), app('small', 2, 260)], before.memory);
    assert.equal(given(planned, 'small'), '2x15s<=500, 0 out');
    assert.deepEqual(planned.apps[1]?.notes, []);
  });

  it('raises the limit of an app that has its whole share already: part of it is scraped, not none', () => {
    const before = plan([app('huge', 40, 900), app('small', 2, 200)]);
    const planned = plan([app('huge', 40, 1_300), app('small', 2, 200)], before.memory);
    assert.equal(given(planned, 'huge'), '8x120s<=2000, 32 out');
    assert.equal(given(planned, 'small'), '2x15s<=250, 0 out');
  });

  it('takes what a target turns out to expose for no growth', () => {
    const before = plan([app('huge', 60, undefined)]);
    assert.equal(given(before, 'huge'), '17x120s<=1000, 43 out');
    assert.equal(given(plan([app('huge', 60, 2_500)], before.memory), 'huge'), '4x120s<=4000, 56 out');
  });

  it('counts targets that were never scraped for what they may expose: large ones where that is free', () => {
    assert.equal(given(plan([app('new', 1, undefined)]), 'new'), '1x15s<=8000, 0 out');
    assert.equal(given(plan([app('new', 9, undefined)]), 'new'), '9x15s<=1000, 0 out');
  });

  it('takes a new unit for as large as the others of its app', () => {
    const [known] = app('a', 30, 200).targets;
    assert.ok(known);
    const units = app('a', 36, undefined).targets.map((one) => (one.key === known.key ? known : one));
    assert.equal(given(plan([{ app: 'a', targets: units }]), 'a'), '36x15s<=250, 0 out');
  });

  it('changes nothing when samples change a little, up or down', () => {
    const before = plan([app('huge', 12, 900), app('small', 2, 200)]);
    const planned = plan([app('huge', 12, 700), app('small', 2, 230)], before.memory);
    assert.deepEqual(planned.apps, before.apps);
  });

  it('makes intervals shorter again only when that leaves some room', () => {
    const before = plan([app('a', 11, 900)]);
    assert.equal(given(before, 'a'), '11x30s<=1000, 0 out');
    assert.equal(given(plan([app('a', 10, 900)], before.memory), 'a'), '10x30s<=1000, 0 out');
    assert.equal(given(plan([app('a', 9, 900)], before.memory), 'a'), '9x15s<=1000, 0 out');
  });

  it("stretches all by the watchdog's factor, up to 2 minutes and never shorter than wanted", () => {
    const planned = planScrapes({ apps: [app('a', 1, 200), app('b', 1, 200, 300_000)], limits: LIMITS, factor: 16 });
    assert.equal(given(planned, 'a'), '1x120s<=250, 0 out');
    assert.equal(given(planned, 'b'), '1x300s<=250, 0 out');
  });

  it('is without limit when the budget is', () => {
    assert.equal(given(plan([app('a', 1, 90_000)], undefined, []), 'a'), '1x15s<=128000, 0 out');
  });

  it('never exceeds the budget, is the same in any order, and stable', () => {
    const target = fc.record({
      samples: fc.option(fc.integer({ min: 1, max: 200_000 }), { nil: undefined }),
      intervalMs: fc.constantFrom(1_000, 15_000, 60_000, 300_000),
    });
    const apps = fc
      .array(fc.array(target, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 })
      .map((all) =>
        all.map((targets, index) => ({
          app: `app-${index}`,
          targets: targets.map((one, unit) => ({ ...one, key: `app-${index}-${unit}` })),
        })),
      );
    fc.assert(
      fc.property(apps, (wanted) => {
        const planned = plan(wanted);
        const targets = planned.apps.flatMap((one) => one.targets);
        const load = targets.reduce(
          (sum, { sampleLimit, intervalMs }) => sum + loadOf(LIMITS, sampleLimit, (sampleLimit * 1000) / intervalMs),
          0,
        );
        assert.ok(load <= 1 + 1e-9, `load ${load}`);
        assert.ok(Math.abs(load - planned.load) < 1e-9);
        assert.deepEqual(plan(wanted.toReversed()), planned);
        assert.deepEqual(plan(wanted, planned.memory).apps, planned.apps);
      }),
    );
  });
});
