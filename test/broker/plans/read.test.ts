import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { readPlans } from '../../../broker/plans/read.ts';

const GOOD = {
  name: 'small',
  default: true,
  tsuru_plan: 'c1m1',
  memory: '1GB',
  storage: { kind: 'tmpfs', volume_plan: 'tmpfs', size: '256MB' },
};

function problemsOf(...plans: readonly unknown[]): readonly string[] {
  const result = readPlans(JSON.stringify({ plans }));
  return result.ok ? [] : result.problems;
}

describe('the plans', () => {
  it('that are shipped are valid, one of them the default, and tell memory, retention and limits in one line', async () => {
    const result = readPlans(await readFile(new URL('../../../broker/plans.yaml', import.meta.url), 'utf8'));
    assert.ok(result.ok);
    assert.deepEqual(
      result.plans.map(({ name, isDefault }) => [name, isDefault]),
      [
        ['small', true],
        ['medium', false],
        ['large', false],
      ],
    );
    for (const { description, details } of result.plans) {
      assert.match(description, /^\d+GB; keeps \d+d of \d+ series, at most \d+; in memory: a deploy empties it$/);
      assert.ok(description.length <= 80);
      assert.match(
        details,
        /^\d+GB of memory; keeps \d+d of \d+ series .+; \d+MB in memory.+limits: retention \d+[dy]/,
      );
    }
  });

  it('refuse memory that cannot hold data, heap and agent, with the sum', () => {
    const [problem = ''] = problemsOf({ ...GOOD, memory: '256MB' });
    assert.match(problem, /^plan small: 256 MiB of memory are too few: the agent takes 128 MiB, .+ together \d+ MiB/);
  });

  it('refuse memory or a volume of which no limit would be left, with the sum', () => {
    for (const memory of ['1MB', '50MB', '100MB', '130MB'])
      assert.match(problemsOf({ ...GOOD, memory })[0] ?? '', /MiB of memory are too few: .+ together \d+ MiB/, memory);
    for (const size of ['1MB', '16MB', '29MB']) {
      const [problem = ''] = problemsOf({ ...GOOD, storage: { ...GOOD.storage, size } });
      assert.match(problem, /^plan small: Prometheus cannot store in \d+ MiB: retention.size is 55 % of it and needs/);
    }
  });

  it("have the administrator's description first, and alone where both do not fit into 80 characters", () => {
    const descriptionOf = (description: string): string => {
      const result = readPlans(JSON.stringify({ plans: [{ ...GOOD, description }] }));
      assert.ok(result.ok);
      return result.plans[0]?.description ?? '';
    };
    assert.match(descriptionOf('Dev'), /^Dev; 1GB; /);
    const long = 'for all teams that only need some days of history';
    assert.equal(descriptionOf(long), long);
    assert.deepEqual(problemsOf({ ...GOOD, description: 'x'.repeat(81) }), [
      'plan small: description must have at most 80 characters.',
    ]);
  });

  for (const [what, plan, wanted] of [
    ['an unknown key', { ...GOOD, memry: 1 }, 'plan small: memry is not known, did you mean "memory"?'],
    ['no name', { ...GOOD, name: undefined }, 'plans[0]: name must be a text.'],
    ['a bad name', { ...GOOD, name: 'a b' }, 'plan a b: name must match ^[a-z0-9][a-z0-9._-]{0,39}$.'],
    ['a size in words', { ...GOOD, memory: 'much' }, 'plan small: memory must be a size such as 512MB or 2GB.'],
    [
      'no storage',
      { ...GOOD, storage: undefined },
      'plan small: storage must be a map with kind, volume_plan and size.',
    ],
    [
      'a persistent storage',
      { ...GOOD, storage: { ...GOOD.storage, kind: 'nfs' } },
      'plan small: storage.kind must be tmpfs (in memory) or ephemeral (a disk per unit).',
    ],
    [
      'a setting that is none',
      { ...GOOD, settings: { retenion: '3d' } },
      'plan small: the plan\'s retenion is not a setting, did you mean "retention"?',
    ],
    [
      'a default above the ceiling',
      { ...GOOD, settings: { retention: '30d' }, ceilings: { retention: '7d' } },
      "plan small: the plan's retention=30d cannot be used: 7d is the most that the plan allows.",
    ],
    [
      'storage among the settings',
      { ...GOOD, settings: { storage: 'tmpfs' } },
      "plan small: storage belongs into the plan's storage.",
    ],
    ['no default', { ...GOOD, default: false }, 'one plan must be the default: none is.'],
    ['no map', 'small', 'plans[0] must be a map.'],
  ] as const) {
    it(`refuse ${what}`, () => {
      assert.ok(problemsOf(plan).includes(wanted), problemsOf(plan).join('\n'));
    });
  }

  it('are all checked, and all problems reported', () => {
    assert.deepEqual(problemsOf(GOOD, { ...GOOD }), [
      'plan small is there more than once.',
      'one plan must be the default: small, small are.',
    ]);
    assert.equal(
      problemsOf({ ...GOOD, memory: 1 }, { ...GOOD, name: 'other', default: false, tsuru_plan: 3 }).length,
      2,
    );
  });

  it('have all their problems reported at once, those of the platform’s defaults once', () => {
    const plan = {
      ...{ ...GOOD, name: 'a b', default: false, memry: 1, memory: '200MB' },
      ...{ settings: { nope: 1 }, ceilings: { rules: 'x' } },
    };
    const result = readPlans(JSON.stringify({ defaults: { foo: 1 }, plans: [plan, { ...plan, name: 'other' }] }));
    const problems = result.ok ? [] : result.problems;
    for (const words of ['name must match', 'memry is not known', 'are too few', 'nope is not a setting', 'rules']) {
      assert.ok(
        problems.some((problem) => problem.startsWith('plan a b: ') && problem.includes(words)),
        `${words}\n${problems.join('\n')}`,
      );
    }
    assert.equal(problems.filter((problem) => problem.includes('foo')).length, 1);
    assert.ok(problems.includes('one plan must be the default: none is.'));
  });

  it('take the platform’s defaults where a plan has none of its own', () => {
    const result = readPlans(
      JSON.stringify({
        defaults: { external_labels: 'env=prod', retention: '5d' },
        plans: [{ ...GOOD, settings: { retention: '3d' } }],
      }),
    );
    assert.ok(result.ok);
    assert.deepEqual(result.plans[0]?.defaults, {
      ...{ external_labels: 'env=prod', retention: '3d', storage: 'tmpfs', storage_size: '256MB' },
    });
  });

  it('name the kind of store of the platform’s remote_write, and refuse an unknown one', () => {
    const withStore = (store: string): string =>
      JSON.stringify({ defaults: { remote_write: [{ url: 'https://store/write', store }] }, plans: [GOOD] });
    assert.ok(readPlans(withStore('victoriametrics')).ok);
    const refused = readPlans(withStore('victoria'));
    assert.deepEqual(refused.ok ? [] : refused.problems, [
      'defaults: remote_write[0].store=victoria is not known: there are victoriametrics, thanos, mimir, cortex, amp.',
    ]);
  });

  for (const text of ['', 'plans: [', '- a', 'plans: {}', '&a [*a]', 'null', '\u0000']) {
    it(`are refused, and do not throw, when they are ${JSON.stringify(text)}`, () => {
      assert.equal(readPlans(text).ok, false);
    });
  }
});
