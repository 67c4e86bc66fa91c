import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fit, memoryOf, type FitOptions } from '../../../agent/capacity/fit.ts';
import { sampleKey } from '../../../agent/capacity/samples.ts';
import { discover, type AppDiscovery, type Discovery } from '../../../agent/discovery/discover.ts';
import type { KnownApp } from '../../../agent/discovery/known-apps.ts';
import type { Limit } from '../../../agent/shared/budget.ts';
import { parseGroups, renderFile, type TargetGroup } from '../../../agent/discovery/target-group.ts';
import { byName, known, OPTIONS, unit, type Parts } from '../../support/known-apps.ts';

/** 10,000 series at 15 s: half of it by their number, half by their rate. */
const LIMITS: readonly Limit[] = [{ of: 'memory', series: 20_000, samplesPerSecond: 20_000 / 15 }];
const INTERVAL = '__scrape_interval__';
const LIMIT = '__meta_tsuru_sample_limit';

function app(name: string, units: number, parts: Parts = {}): KnownApp {
  return known(name, {
    units: Array.from({ length: units }, (_, index) => unit(`${name}-${index}`, { internalIp: `10.0.0.${index}` })),
    ...parts,
  });
}

/** This many samples of each unit of an app. */
function samplesOf(name: string, units: number, samples: number): [string, number][] {
  return Array.from({ length: units }, (_, index) => [sampleKey(name, `${name}-${index}`), samples]);
}

function fitted(
  apps: readonly KnownApp[],
  samples: readonly [string, number][],
  more: Partial<FitOptions> = {},
): ReturnType<typeof fit> {
  return fit(discover(byName(...apps), OPTIONS), {
    limits: LIMITS,
    samples: new Map(samples),
    factor: 1,
    scrape: OPTIONS.scrape,
    memory: undefined,
    paused: new Map(),
    ...more,
  });
}

function find(discovery: Discovery, name: string): AppDiscovery {
  const found = discovery.apps.find((one) => one.known.app.name === name);
  assert.ok(found);
  return found;
}

/** Its targets by interval label and limit label. */
function given(groups: readonly TargetGroup[]): string[] {
  return groups.map(({ labels }) => `${labels[INTERVAL] ?? 'default'} ${labels[LIMIT] ?? 'none'}`);
}

/** What a file with these groups holds, as the next agent reads it. */
function held(groups: readonly TargetGroup[], name: string): readonly TargetGroup[] {
  return parseGroups(renderFile(groups.map((group) => JSON.stringify(group)))).get(name) ?? [];
}

describe('a discovery that is fitted to the capacity', () => {
  it('labels each target with its sample limit, and changes nothing else where there is room', () => {
    const apps = [app('blog', 2), app('shop', 1)];
    const { discovery } = fitted(apps, [...samplesOf('blog', 2, 200), ...samplesOf('shop', 1, 900)]);
    assert.deepEqual(given(discovery.groups), ['default 2000', 'default 2000', 'default 2000']);
    const plain = discover(byName(...apps), OPTIONS);
    const limited = plain.groups.map(({ targets, labels }) => ({
      targets,
      labels: { ...labels, [LIMIT]: '2000' },
    }));
    assert.deepEqual(discovery.groups, limited);
    for (const { targets, groups, texts, leftOut, problems } of discovery.apps) {
      assert.deepEqual(
        targets.map(({ group }) => group),
        groups,
      );
      assert.deepEqual(
        texts.map((text) => JSON.parse(text) as unknown),
        groups,
      );
      assert.deepEqual([leftOut, problems], [[], []]);
    }
  });

  it('stretches the intervals of the app that needs more than its share, and says so', () => {
    const { discovery } = fitted(
      [app('huge', 12), app('small', 2)],
      [...samplesOf('huge', 12, 900), ...samplesOf('small', 2, 200)],
    );
    assert.deepEqual(new Set(given(find(discovery, 'huge').groups)), new Set(['30s 2000']));
    assert.deepEqual(new Set(given(find(discovery, 'small').groups)), new Set(['default 2000']));
    assert.match(find(discovery, 'huge').problems.join(), /over capacity: scraped every 30s instead of every 15s/);
  });

  it('leaves out what does not fit, as units with the reason no_capacity', () => {
    const { discovery } = fitted([app('huge', 40)], samplesOf('huge', 40, 900));
    const { targets, groups, texts, leftOut } = find(discovery, 'huge');
    assert.deepEqual([targets.length, groups.length, texts.length], [groups.length, groups.length, groups.length + 1]);
    assert.equal(groups.length + leftOut.length, 40);
    assert.ok(leftOut.length > 0 && leftOut.every(({ reason }) => reason === 'no_capacity'));
    assert.match(leftOut[0]?.text ?? '', /over capacity: needs room for 900 samples per scrape/);
    assert.equal(discovery.groups.length, groups.length + 1);
  });

  it('keeps an annotated interval, stretches from it, and counts for it', () => {
    const annotations = { 'prometheus.io/interval': '1m' };
    const slow = app('slow', 12, { app: { annotations } });
    assert.deepEqual(new Set(given(fitted([slow], samplesOf('slow', 12, 900)).discovery.groups)), new Set(['1m 2000']));
    const twice = fitted([slow], samplesOf('slow', 12, 900), { factor: 2 });
    assert.deepEqual(new Set(given(twice.discovery.groups)), new Set(['2m 2000']));
    const hourly = app('hourly', 1, { app: { annotations: { 'prometheus.io/interval': '1h' } } });
    assert.deepEqual(given(fitted([hourly], [], { factor: 8 }).discovery.groups), ['1h 2000']);
  });

  it('keeps the target groups of an app whose units are unknown, each with its limit', () => {
    const first = fitted([app('blog', 2)], samplesOf('blog', 2, 200));
    const groups = held(first.discovery.groups, 'blog');
    const again = fitted([{ ...app('blog', 0), fromTargetFile: groups }], [], {
      memory: memoryOf(groups, 15_000),
      limits: [],
    });
    assert.deepEqual(
      again.discovery.groups.map(({ targets }) => targets),
      groups.map(({ targets }) => targets),
    );
    assert.deepEqual(given(find(again.discovery, 'blog').groups), ['default 2000', 'default 2000']);
  });

  it('follows new settings at once in an instance that had no targets before', () => {
    const first = fitted([app('blog', 1)], [], { memory: memoryOf([], 15_000) });
    const scrape = { intervalMs: 2_000, timeoutMs: 2_000 };
    const next = fitted([app('blog', 1)], [], { memory: first.plan.memory, scrape });
    assert.deepEqual(find(next.discovery, 'blog').problems, []);
    assert.deepEqual(given(find(next.discovery, 'blog').groups), ['default 2000']);
  });

  it('stretches groups read from the target file from their desired interval, however often they are read', () => {
    const annotations = { 'prometheus.io/interval': '20s' };
    for (const [parts, wanted] of [
      [{}, '15s'],
      [{ app: { annotations } }, '20s'],
    ] as const) {
      let { groups } = fitted([app('blog', 1, parts)], samplesOf('blog', 1, 200), { factor: 2 }).discovery;
      const [stretched] = groups;
      for (let restart = 0; restart < 3; restart += 1) {
        const again = [{ ...app('blog', 0), fromTargetFile: held(groups, 'blog') }];
        ({ groups } = fitted(again, samplesOf('blog', 1, 200), { factor: 2 }).discovery);
        assert.deepEqual(groups, [stretched]);
      }
      const calm = fitted([{ ...app('blog', 0), fromTargetFile: groups }], samplesOf('blog', 1, 200)).discovery.groups;
      assert.deepEqual(given(calm), [`${wanted} 2000`]);
    }
  });

  it('reports groups read from the target file that are left out', () => {
    const { groups } = discover(byName(app('huge', 40)), OPTIONS);
    const { discovery } = fitted([{ ...app('huge', 0), fromTargetFile: groups }], samplesOf('huge', 40, 900));
    assert.equal(find(discovery, 'huge').groups.length, 17);
    assert.match(
      find(discovery, 'huge').problems.join(),
      /23 targets of its last ones left out: over capacity: needs room for 900 samples/,
    );
  });

  it('leaves a paused app out with the reason, and keeps its capacity reserved', () => {
    const apps = [app('a', 2), app('b', 2)];
    const samples = [...samplesOf('a', 2, 900), ...samplesOf('b', 2, 900)];
    const before = fitted(apps, samples);
    const { discovery, plan } = fitted(apps, samples, { paused: new Map([['a', 'its series change too fast']]) });
    assert.deepEqual(find(discovery, 'a').groups, []);
    assert.deepEqual(
      find(discovery, 'a').leftOut.map(({ reason, text }) => [reason, text]),
      Array.from({ length: 2 }, () => ['no_capacity', 'its series change too fast']),
    );
    assert.deepEqual(find(discovery, 'b'), find(before.discovery, 'b'));
    assert.equal(plan.load, before.plan.load);
  });

  it('starts with the targets of the target file after a restart', () => {
    const huge = [app('huge', 12)];
    const before = fitted(huge, samplesOf('huge', 12, 900));
    assert.deepEqual(new Set(given(before.discovery.groups)), new Set(['30s 2000']));
    const memory = memoryOf(held(before.discovery.groups, 'huge'), 15_000);
    assert.deepEqual(memory.scraped, before.plan.memory.scraped);
    const restarted = fitted(huge, [], { memory, samples: undefined });
    assert.deepEqual(restarted.discovery.groups, before.discovery.groups);
    assert.deepEqual(memoryOf([{ targets: ['10.0.0.1:1'], labels: { [LIMIT]: 'many' } }], 1).scraped, new Map());
  });

  it('measures one of the targets that do not fit, and does not report it as scraped', () => {
    const { discovery } = fitted([app('giant', 2)], samplesOf('giant', 2, 100_000));
    const { targets, groups, texts, leftOut } = find(discovery, 'giant');
    assert.deepEqual([targets.length, groups.length, texts.length, leftOut.length], [0, 0, 1, 2]);
    assert.deepEqual(given(discovery.groups), ['default 1']);
    assert.deepEqual(JSON.parse(texts[0] ?? ''), discovery.groups[0]);
    assert.deepEqual(memoryOf(discovery.groups, 15_000).scraped, new Map());
  });

  it('is the same for the same apps in any order', () => {
    const apps = [app('a', 9), app('b', 30), app('c', 1)];
    const samples = [...samplesOf('a', 9, 900), ...samplesOf('b', 30, 450)];
    const forth = fitted(apps, samples);
    const back = fitted(apps.toReversed(), samples.toReversed());
    assert.deepEqual(forth.discovery, back.discovery);
    assert.deepEqual(forth.plan.apps, back.plan.apps);
  });
});
