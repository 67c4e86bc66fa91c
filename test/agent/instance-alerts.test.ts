import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { load } from 'js-yaml';
import { startInstance } from '../support/running-instance.ts';
import { until } from '../support/until.ts';

interface Rule {
  readonly name: string;
  readonly query: string;
  readonly labels: Readonly<Record<string, string>>;
}
interface Groups {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
}

const RULES = new URL('../../image/rules/instance.yml', import.meta.url);
/** A rule of a user's, in a group that is called as one of ours. */
const OWN = 'groups: [{name: instance_agent, rules: [{record: all, expr: sum(up)}]}]';
/** Both scrape themselves once a minute. */
const SCRAPED_LIMIT_MS = 90_000;

describe('the alerts about an instance', () => {
  it('are loaded with the name of the instance, beside a group of that name, and gone when they are switched off', async () => {
    await using instance = await startInstance({ rules: OWN });
    const { prometheus } = instance;
    const loaded = async (): Promise<readonly Rule[]> => {
      const { groups } = (await prometheus.get('/api/v1/rules')) as unknown as Groups;
      return groups.flatMap(({ rules }) => rules);
    };
    const { groups } = load(await readFile(RULES, 'utf8')) as { groups: { rules: { alert: string }[] }[] };
    const wanted = ['all', ...groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))].sort();
    await until('all rules', async () => (await loaded()).length === wanted.length);
    const rules = await loaded();
    assert.deepEqual(rules.map(({ name }) => name).sort(), wanted);
    for (const { name, labels } of rules) {
      if (name !== 'all') assert.equal(labels['tsuru_instance'], instance.world.instance.app, name);
    }
    await instance.set({ rules: OWN, instance_alerts: 'off' });
    await until('the own rule alone', async () => (await loaded()).map(({ name }) => name).join() === 'all');
  });

  it('can all be evaluated, and none fires in an instance without a problem', async () => {
    await using instance = await startInstance({});
    const { prometheus } = instance;
    await prometheus.untilTargets('the units to be up', (all) => all.every(({ health }) => health === 'up'));
    await until(
      'samples of the agent and of Prometheus',
      async () => [...(await prometheus.query('count(up{job=~"agent|prometheus"} == 1)')).values()][0] === 2,
      SCRAPED_LIMIT_MS,
    );
    const { groups } = (await prometheus.get('/api/v1/rules')) as unknown as Groups;
    for (const { name, query } of groups.flatMap(({ rules }) => rules)) {
      assert.deepEqual([...(await prometheus.query(query))], [], name);
    }
  });
});
