import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { expect } from '../../support/instance.ts';
import { until } from '../../support/until.ts';
import { APP, startStage, type Stage } from '../stage.ts';

const WELL = { ready: true, problems: [], sync: { inSync: true }, apps: [] };
const LONGEST = 200;

interface Label {
  readonly label: string;
  readonly value: string;
}

interface Told extends AsyncDisposable {
  readonly stage: Stage;
  /** What the broker answers while the instance's agent reports this. */
  readonly labelsOf: (status: unknown) => Promise<readonly Label[]>;
  /** The value of one label; '' where it is left out. */
  readonly valueOf: (label: string, status: unknown) => Promise<string>;
}

/** An instance that is up, and may read these apps. */
async function startTold(...bound: readonly string[]): Promise<Told> {
  await using stack = new AsyncDisposableStack();
  let told: unknown = WELL;
  const stage = stack.use(await startStage({ agent: () => ({ status: 200, body: JSON.stringify(told) }) }));
  await expect(stage.add(), 201);
  await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
  for (const app of bound) {
    await stage.createApp(app);
    await expect(stage.bind(app), 200);
  }
  const labelsOf = async (status: unknown): Promise<readonly Label[]> => {
    told = status;
    const { body, contentType } = await expect(stage.ask('GET', '/resources/my-instance'), 200);
    assert.match(contentType, /^application\/json/);
    return JSON.parse(body) as Label[];
  };
  const all = stack.move();
  return {
    ...{ stage, labelsOf },
    valueOf: async (label, status) => (await labelsOf(status)).find((one) => one.label === label)?.value ?? '',
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function appsNamed(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `app-${String(index + 1).padStart(2, '0')}`);
}

const up = (unit: string) => ({ unit, health: 'up' });
const down = (unit: string, lastError?: string) => ({ unit, health: 'down', lastError });
const appOf = (name: string, units: readonly unknown[], problems: readonly string[] = []) => ({
  name,
  units,
  problems,
});

describe('the info of an instance', () => {
  it('has at most seven labels, in alphabetical order, each with a value', async () => {
    await using told = await startTold('my-app');
    const labels = await told.labelsOf({ ...WELL, problems: ['one'], apps: [appOf('my-app', [up('u1')])] });
    const names = ['Address', 'App', 'In force', 'Problems', 'Units up', 'User and Password'];
    assert.deepEqual(
      labels.map(({ label }) => label),
      names,
    );
    assert.ok(labels.every(({ value }) => value !== ''));
    const well = await told.labelsOf({ ...WELL, apps: [appOf('my-app', [up('u1')])] });
    assert.deepEqual(
      well.map(({ label }) => label),
      names.filter((name) => name !== 'Problems'),
    );
    const values = new Map(well.map(({ label, value }) => [label, value]));
    assert.deepEqual(
      [values.get('App'), values.get('Units up'), values.get('In force')],
      [APP, 'my-app 1/1', 'small (c0.5m1)'],
    );
  });

  it('names ten apps, and counts the others', async () => {
    const names = appsNamed(12);
    await using told = await startTold(...names);
    const [first = '', second = ''] = names;
    const known = [appOf(first, [up('u1'), up('u2')]), appOf(second, [up('u3'), down('u4')])];
    assert.equal(
      await told.valueOf('Units up', { ...WELL, apps: known }),
      'app-01 2/2, app-02 1/2 !, app-03, app-04, app-05, app-06, app-07, app-08, app-09, app-10 and 2 more',
    );
    await expect(told.stage.unbind('app-12'), 200);
    assert.match(await told.valueOf('Units up', WELL), /, app-10 and 1 more$/);
    await expect(told.stage.unbind('app-11'), 200);
    assert.equal(await told.valueOf('Units up', WELL), names.slice(0, 10).join(', '));
  });

  it("names ten of the agent's apps, too, while Tsuru lists neither binds nor grants", async () => {
    await using told = await startTold();
    for (const path of [`/tokens/${APP}`, '/services/instances'])
      told.stage.tsuru.faults.add({ kind: 'status', status: 500, method: 'GET', path });
    const apps = appsNamed(13).map((name) => appOf(name, [up('u1')]));
    const ten = appsNamed(10).map((name) => `${name} 1/1`);
    assert.equal(await told.valueOf('Units up', { ...WELL, apps }), `${ten.join(', ')} and 3 more`);
  });

  it('names what Tsuru stores but is not in force, and the command that ends that', async () => {
    await using told = await startTold();
    const { stage } = told;
    assert.equal(await told.valueOf('Not in force', WELL), '');
    await stage.update('my-instance', { 'parameters.retention': 'banana', 'parameters.query_timeout': '1m' });
    const command = 'tsuru service-instance-update prometheus my-instance';
    assert.equal(
      await told.valueOf('Not in force', WELL),
      `retention: give another value, or run "${command} --remove-param retention"`,
    );
    await stage.update('my-instance', { plan: 'smal' });
    assert.equal(
      await told.valueOf('Not in force', WELL),
      `plan smal: give another value, or run "${command} -p small"`,
    );
    await expect(stage.update('my-instance', { plan: 'small', 'parameters.retention': '2d' }), 200);
    assert.equal(await told.valueOf('Not in force', WELL), '');
  });

  it('reports a revoked grant, and keeps the app in its list', async () => {
    await using told = await startTold('my-app');
    const path = `/1.6/roles/prometheus-reader/token/${APP}?context=my-app`;
    await expect(told.stage.admin.call('DELETE', path), 200);
    assert.equal(
      await told.valueOf('Problems', WELL),
      'it may not read my-app: the grant was taken away, and comes back within two minutes',
    );
    assert.equal(await told.valueOf('Units up', WELL), 'my-app');
  });

  it('lists three problems, its own first, and counts the others', async () => {
    await using told = await startTold('my-app');
    const units = [down('u1', 'refused'), down('u2'), { unit: 'u3', leftOut: 'it is full', reason: 'no_capacity' }];
    const apps = [appOf('my-app', units, ['the last one'])];
    const problems = 'u1: refused; u2: down; u3 is not scraped: it is full';
    assert.equal(await told.valueOf('Problems', { ...WELL, apps }), `${problems} and 1 more`);
    assert.equal(
      await told.valueOf('Problems', { ...WELL, problems: ['own', 'other'], apps }),
      'own; other; u1: refused and 3 more',
    );
    const [unit] = units;
    assert.equal(
      await told.valueOf('Problems', { ...WELL, apps: [appOf('my-app', [unit], ['two', 'three'])] }),
      'u1: refused; two; three',
    );
  });

  it('shows a unit that is left out for a reason which this broker does not know', async () => {
    await using told = await startTold('my-app');
    const left = (reason: string) => appOf('my-app', [up('u1'), { unit: 'u2', leftOut: 'so be it', reason }]);
    const later = { ...WELL, apps: [left('a_later_one')] };
    assert.equal(await told.valueOf('Problems', later), 'u2 is not scraped: so be it');
    assert.equal(await told.valueOf('Units up', later), 'my-app 1/1 !');
    assert.equal(await told.valueOf('Problems', { ...WELL, apps: [left('stopped')] }), '');
    assert.equal(await told.valueOf('Units up', { ...WELL, apps: [left('stopped')] }), 'my-app 1/1');
  });

  it('has 200 characters in a value at most, and says where it is cut', async () => {
    const long = Array.from({ length: 10 }, (_, index) => `an-app-with-quite-a-long-name-${index}`);
    await using told = await startTold(...long);
    assert.equal(await told.valueOf('Problems', { ...WELL, problems: ['x'.repeat(LONGEST)] }), 'x'.repeat(LONGEST));
    assert.equal(
      await told.valueOf('Problems', { ...WELL, problems: ['x'.repeat(LONGEST + 1)] }),
      `${'x'.repeat(LONGEST - 1)}…`,
    );
    assert.equal(await told.valueOf('Units up', WELL), `${long.join(', ').slice(0, LONGEST - 1)}…`);
  });

  it("has spaces for the line breaks of an agent's texts", async () => {
    await using told = await startTold('my-app');
    const apps = [appOf('my-app', [down('u1', '\r\n  a\n\n\tb\u2028c')], ['d\ne'])];
    assert.equal(await told.valueOf('Problems', { ...WELL, apps }), 'u1: a b c; d e');
    assert.equal(await told.valueOf('Problems', { ...WELL, problems: ['\nx\ny\n'] }), 'x y');
    assert.equal(
      await told.valueOf('Problems', { ...WELL, sync: { problem: 'x\ny' } }),
      'the latest targets are not loaded (x y), the ones before are scraped',
    );
    const info = await told.stage.info();
    assert.ok(Object.values(info).every((value) => !value.includes('\n')));
  });

  it('is JSON of few short lines, whatever an agent answers', async () => {
    await using told = await startTold('my-app');
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.constantFrom('"', '\\', '\n', '\u0000', '\ud83d', '😀'.repeat(150), '\u2028', '\u001b[31m', '</script>'),
    );
    const unit = fc.record({
      unit: text,
      health: fc.constantFrom('up', 'down', ''),
      leftOut: text,
      reason: text,
      lastError: text,
    });
    const texts = fc.array(text, { maxLength: 5 });
    const app = fc.record({
      name: fc.oneof(fc.constant('my-app'), text),
      units: fc.array(unit, { maxLength: 5 }),
      problems: texts,
    });
    const status = fc.record({
      ...{ ready: fc.boolean(), problems: texts, sync: fc.record({ problem: text }) },
      apps: fc.array(app, { maxLength: 15 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(status, fc.jsonValue()), async (any) => {
        const labels = await told.labelsOf(any);
        assert.ok(labels.length <= 7);
        for (const { label, value } of labels) {
          assert.ok(label !== '' && value.length <= LONGEST, JSON.stringify({ label, value }));
          assert.doesNotMatch(value, /[\r\n\u2028\u2029]/);
        }
      }),
      { numRuns: 100 },
    );
  });
});
