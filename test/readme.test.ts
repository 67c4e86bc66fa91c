import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { readScrapeAnnotations } from '../agent/discovery/annotations.ts';
import { VARIABLES } from '../agent/config.ts';
import type { Variable } from '../agent/shared/environment.ts';
import { formatBytes } from '../agent/shared/settings/bytes.ts';
import { SETTINGS } from '../agent/shared/settings/settings.ts';
import { VARIABLES as BROKER_VARIABLES } from '../broker/config.ts';
import { budgetOfPlan } from '../broker/plans/memory.ts';
import { readPlans } from '../broker/plans/read.ts';
import { createMetrics as createBrokerMetrics } from '../broker/metrics.ts';
import { createMetrics } from '../agent/report/metrics.ts';
import { OPTIONS } from './support/known-apps.ts';
import { NODE_ENVIRONMENT, NODE_FLAGS } from './support/runtime.ts';

const MIB = 1024 ** 2;
const README = new URL('../README.md', import.meta.url);

/** The first two cells of the rows of the table whose head starts with these words, without their backticks. */
async function table(head: string): Promise<string[][]> {
  const lines = (await readFile(README, 'utf8')).split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${head}`));
  assert.notEqual(start, -1, head);
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

describe('the README', () => {
  it('starts Node for the agent as it is measured', async () => {
    const text = await readFile(README, 'utf8');
    const environment = Object.entries(NODE_ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
    assert.ok(text.includes(`${environment.join(' ')} \\\nnode ${NODE_FLAGS.join(' ')} dist/agent/main.js`));
  });

  it('tells every variable with its default and meaning, as the agent does', async () => {
    const expected = VARIABLES.map((variable: Variable) => [
      variable.name,
      variable.default ?? '_required_',
      variable.meaning,
    ]);
    assert.deepEqual(await table('variable'), expected);
  });

  it('tells every metric of the agent, and no other', async () => {
    const registry = new Registry();
    createMetrics(registry);
    const names = registry
      .getMetricsAsArray()
      .flatMap(({ name }) => (name.startsWith('tsuru_agent_') ? [name.slice('tsuru_agent_'.length)] : []));
    const told = (await table('metric')).flatMap(([cell = '']) =>
      cell.split(', ').map((name) => name.replace(/\{.*\}/, '')),
    );
    assert.deepEqual(told.sort(), names.sort());
  });

  it('tells every variable and metric of the broker, and no other', async () => {
    const variables = BROKER_VARIABLES.map((variable: Variable) => [
      variable.name,
      variable.default ?? '_required_',
      variable.meaning,
    ]);
    assert.deepEqual(await table("broker's variable"), variables);
    const registry = new Registry();
    createBrokerMetrics(registry);
    const names = registry
      .getMetricsAsArray()
      .flatMap(({ name }) => (name.startsWith('tsuru_broker_') ? [name.slice('tsuru_broker_'.length)] : []));
    const told = (await table('metric (`tsuru_broker_...`)')).flatMap(([cell = '']) =>
      cell.split(', ').map((name) => name.replace(/\{.*\}/, '')),
    );
    assert.deepEqual(told.sort(), names.sort());
  });

  it('tells what fits into each of the shipped plans, as the broker reckons it', async () => {
    const read = readPlans(await readFile(new URL('../broker/plans.yaml', import.meta.url), 'utf8'));
    assert.ok(read.ok);
    const rows = read.plans.map(({ name, memoryBytes, storage, details }) => {
      const { goMemLimitBytes = 0, retentionSizeBytes = 0 } = budgetOfPlan(memoryBytes, storage);
      const heapBytes = Math.floor(goMemLimitBytes / MIB) * MIB;
      const [, kept, most] = /keeps (\S+ of \d+ series) .* up to (\d+) series/.exec(details) ?? [];
      const [, bridged, least] = /an outage of (\S+), with the most series of (\S+);/.exec(details) ?? [];
      const sizes = [memoryBytes, storage.sizeBytes, retentionSizeBytes, heapBytes].map(formatBytes);
      return [name, ...sizes, most, kept, `${bridged}, ${least}`];
    });
    const told = await table('plan   | memory');
    assert.deepEqual(
      told.map((cells) => cells.map((cell) => cell.replaceAll(/(\d),(\d)/g, '$1$2'))),
      rows,
    );
  });

  it('tells every setting with its default, range and meaning', async () => {
    const expected = SETTINGS.map((setting) => [setting.name, setting.default, setting.range, setting.meaning]);
    const plain = expected.map((cells) => cells.map((cell) => cell.replaceAll('`', '')));
    assert.deepEqual(await table('setting'), plain);
  });

  it('tells every annotation, with an example that the agent takes', async () => {
    const rows = await table('annotation');
    const annotations = Object.fromEntries(rows.map(([name = '', , example = '']) => [name, example]));
    const { problems, scrape, port, labels } = readScrapeAnnotations(annotations, {}, OPTIONS.scrape);
    assert.deepEqual(problems, []);
    assert.deepEqual([scrape, port, Object.keys(labels).length], [false, 9100, 5]);
    assert.equal(rows.length, 6);
  });
});
