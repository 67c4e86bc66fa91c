import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freeAddress } from '../support/address.ts';
import type { RunningAgent } from '../support/agent.ts';
import { startInstance } from '../support/running-instance.ts';
import { until } from '../support/until.ts';
import { startWorld } from '../support/world.ts';

/** A minute of patience, and Prometheus tries an Alertmanager once a minute. */
const TOLD_MS = 240_000;
const TOKEN = 'correct-horse-token';
const FIRES = '- {alert: Fires, expr: vector(1)}';
const FAILS = `- {record: "all:up", expr: 'label_replace({__name__=~"up|scrape_duration_seconds"}, "x", "1", "", "")'}`;
/** A job of the base with more targets than it may have. */
const LIMITED = `
  - job_name: few
    target_limit: 1
    static_configs: [{ targets: ['127.0.0.1:1', '127.0.0.1:2'] }]
`;
const BASE = new URL('../../image/prometheus.yml', import.meta.url);
const rules = (...all: readonly string[]): string =>
  ['groups:', '- name: shop', '  rules:', ...all.map((rule) => `  ${rule}`)].join('\n');

/** A receiver that refuses all at first, and quotes the secret that it was sent. */
async function startReceiver(): Promise<AsyncDisposable & { url: string; accept(): void }> {
  let accepts = false;
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      response.statusCode = accepts ? 204 : 401;
      response.end(accepts ? '' : `I do not know ${request.headers.authorization ?? ''}`);
    });
  });
  server.listen(0, freeAddress());
  await once(server, 'listening');
  const { address, port } = server.address() as AddressInfo;
  return {
    url: `http://${address}:${port}`,
    accept() {
      accepts = true;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function untilProblem(agent: RunningAgent, words: RegExp): Promise<string> {
  return until(
    `the problem ${words.source}`,
    async () => (await agent.status()).problems.find((problem) => words.test(problem)),
    TOLD_MS,
  );
}

async function untilWell(agent: RunningAgent, kind: string, words: RegExp): Promise<void> {
  await until(
    `the end of ${words.source}`,
    async () => !(await agent.status()).problems.some((problem) => words.test(problem)),
    TOLD_MS,
  );
  assert.equal(await agent.metric(`tsuru_agent_runtime_failing{kind="${kind}"}`), 0);
}

describe('what Prometheus loads and fails to run', { concurrency: 2 }, () => {
  it('is named in status, log and metrics with its last error, and disappears once it works', async () => {
    await using receiver = await startReceiver();
    const { host } = new URL(receiver.url);
    const remoteWrite = [
      { url: `${receiver.url}/write`, name: 'far', authorization: { credentials_env: 'FAR_TOKEN' } },
    ];
    const away = `${freeAddress()}:9093`;
    const settings = { scrape_interval: '1s', remote_write: remoteWrite, alertmanagers: [`http://${away}`] };
    await using instance = await startInstance(
      { ...settings, rules: rules(FIRES, FAILS) },
      { env: { FAR_TOKEN: TOKEN } },
    );
    const { agent, set } = instance;
    const SINCE = String.raw`\(since \d{4}-[-\d]+T[:.\d]+Z\)$`;
    const write = new RegExp(
      `^remote_write to far \\(${host}\\) fails: HTTP status 401 Unauthorized: I do not know Bearer <secret>; samples are lost: .*tsuru env-set -p.*${SINCE}`,
    );
    const rule = new RegExp(
      `^rule all:up \\(group shop\\) fails: vector contains metrics with the same labelset.*${SINCE}`,
    );
    const alerts = new RegExp(
      `^sending alerts to Alertmanager ${away} fails: .*(?:connection refused|ECONNREFUSED).*; .*${SINCE}`,
    );
    await Promise.all([write, rule, alerts].map((words) => untilProblem(agent, words)));
    for (const [kind, name] of [
      ['remote_write', `far (${host})`],
      ['rule', 'all:up (group shop)'],
      ['alertmanager', away],
    ] as const) {
      assert.equal(await agent.metric(`tsuru_agent_runtime_failing{kind="${kind}"}`), 1, kind);
      const counted = (await agent.metric(`tsuru_agent_runtime_failures_total{kind="${kind}",name="${name}"}`)) ?? 0;
      assert.ok(counted >= 2, kind);
      const logged = agent.log().filter((line) => line['kind'] === kind && line['level'] === 'warn');
      assert.equal(logged.length, 1, kind);
      assert.match(String(logged[0]?.['since']), /^\d{4}-.*Z$/, kind);
    }
    receiver.accept();
    await set({ ...settings, alertmanagers: [receiver.url], rules: rules(FIRES) });
    await Promise.all([
      untilWell(agent, 'remote_write', /^remote_write/),
      untilWell(agent, 'rule', /^rule/),
      untilWell(agent, 'alertmanager', /^sending alerts/),
    ]);
    const ends = agent
      .log()
      .filter(({ msg }) => /^(remote_write to far .* works again|"rule |"sending )/.test(String(msg)));
    assert.equal(ends.length, 3);
    assert.ok(!agent.program.lines.some((line) => line.includes(TOKEN)));
  });

  it('is named where somebody else runs Prometheus, rules and limits of the base with their errors', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app');
    const base = join(world.folder, 'base.yml');
    await writeFile(base, `${await readFile(BASE, 'utf8')}${LIMITED}`);
    const agent = await world.startAgent({ env: { AGENT_BASE_CONFIG: base } });
    await world.writeRule('shop.yml', rules(FAILS));
    await world.startPrometheus();
    const rule = /^rule all:up \(group shop\) fails: vector contains metrics with the same labelset/;
    const limit =
      /^targets of the job few are dropped: target_limit exceeded \(number of targets: 2, limit: 1\) \(2 targets\); /;
    await Promise.all([rule, limit].map((words) => untilProblem(agent, words)));
  });
});
