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
import { PERMISSIONS } from '../broker/tsuru/permissions.ts';
import { webhookOf } from '../broker/tsuru/webhook.ts';
import { createMetrics as createBrokerMetrics } from '../broker/metrics.ts';
import { createGatewayMetrics } from '../agent/gateway/metrics.ts';
import { createMetrics } from '../agent/report/metrics.ts';
import { runBroker } from './broker/commands/run.ts';
import { OPTIONS } from './support/known-apps.ts';
import { NODE_ENVIRONMENT, NODE_FLAGS } from './support/runtime.ts';

const MIB = 1024 ** 2;
const AGENT = new URL('../agent/README.md', import.meta.url);
const BROKER = new URL('../broker/README.md', import.meta.url);
const TESTS = new URL('../test/README.md', import.meta.url);

/** The cells of the rows of a document's only table whose head starts with these words, without their backticks. */
async function table(document: URL, head: string): Promise<string[][]> {
  const lines = (await readFile(document, 'utf8')).split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${head}`));
  assert.notEqual(start, -1, head);
  assert.equal(
    lines.findLastIndex((line) => line.startsWith(`| ${head}`)),
    start,
    head,
  );
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

/** The names of a registry's metrics that start with this prefix, without it. */
function names(registry: Registry, prefix: string): string[] {
  return registry
    .getMetricsAsArray()
    .flatMap(({ name }) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []))
    .sort();
}

/** The names in the first column of a document's table of metrics. */
async function namesTold(document: URL, prefix: string): Promise<string[]> {
  const rows = await table(document, `metric (\`${prefix}...\`)`);
  return rows.flatMap(([cell = '']) => cell.split(', ').map((name) => name.replace(/\{.*\}/, ''))).sort();
}

describe('the documents', () => {
  it('start Node for the agent as it is measured', async () => {
    const text = await readFile(TESTS, 'utf8');
    const environment = Object.entries(NODE_ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
    assert.ok(text.includes(`${environment.join(' ')} \\\nnode ${NODE_FLAGS.join(' ')} dist/agent/main.js`));
  });

  it('list every variable with its default and meaning, as the agent does', async () => {
    const expected = VARIABLES.map((variable: Variable) => [
      variable.name,
      variable.default ?? '_required_',
      variable.meaning,
    ]);
    assert.deepEqual(await table(AGENT, 'variable'), expected);
  });

  it("print the commands of a set-up as the broker's setup does", async () => {
    const images = ['--broker-image', 'example.com/prometheus-broker:0.1.0', '--image', 'example.com/prometheus:0.1.0'];
    const { out } = await runBroker(['setup', '--team', 'my-admins', ...images, '--print']);
    assert.ok((await readFile(BROKER, 'utf8')).includes(`\n${out}\`\`\`\n`));
  });

  it('list every command of the broker as its help does', async () => {
    const { out } = await runBroker(['--help']);
    const told = [...out.matchAll(/^ {2}([a-z]+) {2,}(\S.*)$/gm)].map(([, name = '', summary = '']) => [name, summary]);
    assert.deepEqual(await table(BROKER, 'command'), told);
  });

  it('list every metric of the agent, and no other', async () => {
    const registry = new Registry();
    createMetrics(registry);
    assert.deepEqual(await namesTold(AGENT, 'tsuru_agent_'), names(registry, 'tsuru_agent_'));
  });

  it('list every metric of the guarded port, and no other', async () => {
    const registry = new Registry();
    createGatewayMetrics(registry);
    assert.deepEqual(await namesTold(AGENT, 'tsuru_agent_gateway_'), names(registry, 'tsuru_agent_gateway_'));
  });

  it('list every variable and metric of the broker, and no other', async () => {
    const variables = BROKER_VARIABLES.map((variable: Variable) => [
      variable.name,
      variable.default ?? '_required_',
      variable.meaning,
    ]);
    assert.deepEqual(await table(BROKER, "broker's variable"), variables);
    const registry = new Registry();
    createBrokerMetrics(registry);
    assert.deepEqual(await namesTold(BROKER, 'tsuru_broker_'), names(registry, 'tsuru_broker_'));
  });

  it('list every permission of the broker with the calls that need it, and no other', async () => {
    const needed = Object.entries(PERMISSIONS).flatMap(([call, permissions]) =>
      permissions.map((permission) => ({ call, permission })),
    );
    const byPermission = [...Map.groupBy(needed, ({ permission }) => permission)].map(([permission, calls]) => [
      permission,
      calls.map(({ call }) => call).join(', '),
    ]);
    assert.deepEqual((await table(BROKER, 'permission')).sort(), byPermission.sort());
  });

  it('make the webhook that the broker expects', async () => {
    const text = (await readFile(BROKER, 'utf8')).replaceAll(/ *\\\n */g, ' ');
    const [, url = '', team = '', flags = ''] =
      /tsuru event-webhook-create prometheus (\S+) -t (\S+) (.*)/.exec(text) ?? [];
    const { origin } = new URL(url);
    const hook = webhookOf({ name: 'prometheus', team, brokerUrl: origin, token: '$BROKER_EVENTS_TOKEN' });
    const { headers, body, event_filter: filter } = hook;
    const words = [
      ...filter.target_types.map((type) => `--target-type ${type}`),
      ...filter.kind_names.map((kind) => `--kind-name ${kind}`),
      `-b '${body}'`,
      ...Object.entries(headers).map(([name, [value = '']]) => {
        const header = `${name}=${value}`;
        return `-H ${header.includes(' ') ? JSON.stringify(header) : header}`;
      }),
    ];
    assert.equal(flags, words.join(' '));
    assert.equal(url, hook.url);
  });

  it('state what fits into each of the shipped plans, as the broker computes it', async () => {
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
    const told = await table(BROKER, 'plan   | memory');
    assert.deepEqual(
      told.map((cells) => cells.map((cell) => cell.replaceAll(/(\d),(\d)/g, '$1$2'))),
      rows,
    );
  });

  it('list every setting with its default, range and meaning', async () => {
    const expected = SETTINGS.map((setting) => [setting.name, setting.default, setting.range, setting.meaning]);
    const plain = expected.map((cells) => cells.map((cell) => cell.replaceAll('`', '')));
    assert.deepEqual(await table(AGENT, 'setting'), plain);
  });

  it('list every annotation, with an example that the agent takes', async () => {
    const rows = await table(AGENT, 'annotation');
    const annotations = Object.fromEntries(rows.map(([name = '', , example = '']) => [name, example]));
    const { problems, scrape, port, labels } = readScrapeAnnotations(annotations, {}, OPTIONS.scrape);
    assert.deepEqual(problems, []);
    assert.deepEqual([scrape, port, Object.keys(labels).length], [false, 9100, 5]);
    assert.equal(rows.length, 6);
  });
});
