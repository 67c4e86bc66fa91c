import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { featuresOf } from '../../agent/prometheus/api/features.ts';
import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { freeAddress } from '../support/address.ts';
import { configFileOf, type RunningAgent } from '../support/agent.ts';
import type { PrometheusView } from '../support/prometheus.ts';
import { startInstance } from '../support/running-instance.ts';
import { until } from '../support/until.ts';

const RULES = 'groups:\n  - name: shop\n    rules:\n      - record: up:sum\n        expr: sum(up)\n';

async function flag(prometheus: PrometheusView, name: string): Promise<unknown> {
  return (await prometheus.get('/api/v1/status/flags'))[name];
}

async function untilProblem(agent: RunningAgent, words: RegExp): Promise<string> {
  return until('the problem told', async () => (await agent.status()).problems.find((problem) => words.test(problem)));
}

async function untilConfigured(agent: RunningAgent, text: string): Promise<string> {
  const path = configFileOf(join(agent.targetsFile, '..', '..'));
  return until(`a configuration with ${text}`, async () => {
    const config = await readFile(path, 'utf8');
    return config.includes(text) && config;
  });
}

describe("an instance's settings", { concurrency: 3 }, () => {
  it('are in force from the start, and its address is Prometheus own', async () => {
    await using instance = await startInstance({
      scrape_interval: '2s',
      external_labels: { env: 'prod' },
      query_timeout: '30s',
    });
    const { prometheus, agent } = instance;
    const [target] = await prometheus.untilTargets('both', (all) => all.length === 2);
    assert.equal(target?.interval, '2s');
    assert.equal(await flag(prometheus, 'query.timeout'), '30s');
    assert.match(String(await flag(prometheus, 'web.external-url')), /^http:\/\/prometheus-my-instance\./);
    const { yaml } = await prometheus.get('/api/v1/status/config');
    assert.match(String(yaml), /external_labels:\n\s+env: prod\n\s+prometheus_replica: /);
    assert.equal(
      await agent.metric('tsuru_agent_prometheus_starts_total'),
      1,
      'no restart for what the first poll tells',
    );
  });

  it('change live: interval and rules by a reload, which restarts nothing', async () => {
    await using instance = await startInstance({ scrape_interval: '5s' });
    const { agent, prometheus, set } = instance;
    await prometheus.untilTargets('both', (all) => all.length === 2 && all.every(({ interval }) => interval === '5s'));
    await set({ scrape_interval: '1s', rules: RULES });
    await prometheus.untilTargets(
      'each second',
      (all) => all.length === 2 && all.every(({ interval }) => interval === '1s'),
    );
    await until('the rule', async () => (await prometheus.query('up:sum')).size > 0);
    assert.equal(await agent.metric('tsuru_agent_prometheus_starts_total'), 1);
    await until('in sync', async () => (await agent.status()).sync.inSync);
    await until('no problems', async () => (await agent.status()).problems.length === 0);
  });

  it('change a flag by one restart of Prometheus only, however many changes come at once', async () => {
    await using instance = await startInstance({});
    const { agent, prometheus, set } = instance;
    await prometheus.untilTargets('both up', (all) => all.filter(({ health }) => health === 'up').length === 2);
    for (const query_timeout of ['10s', '20s', '30s']) await set({ query_timeout });
    await until('the flag', async () => (await flag(prometheus, 'query.timeout')) === '30s');
    await prometheus.untilTargets('both up', (all) => all.filter(({ health }) => health === 'up').length === 2);
    assert.equal(await agent.metric('tsuru_agent_prometheus_restarts_total'), 1);
    assert.equal(await agent.metric('tsuru_agent_prometheus_crashes_total{how="exit"}'), 0);
  });

  it('leave the old ones in force when they are refused, with every problem', async () => {
    await using instance = await startInstance({ scrape_interval: '2s' });
    const { agent, prometheus, set } = instance;
    await prometheus.untilTargets('both', (all) => all.length === 2);
    await set({ scrape_interval: '15', retentoin: '30d' });
    const problem = await untilProblem(agent, /settings are refused/);
    assert.match(problem, /keeping the old ones/);
    assert.match(problem, /retentoin/);
    assert.match(problem, /scrape_interval/);
    assert.equal(await agent.metric('tsuru_agent_settings_refused'), 1);
    assert.ok((await prometheus.targets()).every(({ interval }) => interval === '2s'));
    await set({ scrape_interval: '3s' });
    await prometheus.untilTargets('the new interval', (all) => all.every(({ interval }) => interval === '3s'));
    assert.equal(await agent.metric('tsuru_agent_settings_refused'), 0);
  });

  it("are refused whole when Prometheus would refuse their rules, with promtool's message", async () => {
    await using instance = await startInstance({ scrape_interval: '2s' });
    const { world, agent, set, prometheus } = instance;
    await set({ scrape_interval: '3s', query_timeout: '7s', rules: RULES.replace('sum(up)', 'sum(up') });
    const problem = await untilProblem(agent, /settings are refused.*parse error/s);
    assert.match(problem, /unclosed left parenthesis/);
    assert.match(await readFile(configFileOf(join(world.folder, 'agent')), 'utf8'), /scrape_interval: 2s/);
    assert.equal(await flag(prometheus, 'query.timeout'), '2m');
  });

  it('are on disk, and in force after a restart while Tsuru is down', async () => {
    await using instance = await startInstance({ scrape_interval: '2s', rules: RULES });
    const { world, agent, prometheus } = instance;
    await prometheus.untilTargets('both', (all) => all.length === 2);
    await agent.stop();
    await world.tsuru.close();
    const again = await world.startSupervised({ env: { TSURU_APPNAME: world.instance.app } });
    await again.prometheus.untilTargets(
      'both',
      (all) => all.length === 2 && all.every(({ interval }) => interval === '2s'),
    );
    await until('the rule', async () => (await again.prometheus.query('up:sum')).size > 0);
  });

  it('stay in force when their annotation is gone', async () => {
    await using instance = await startInstance({ scrape_interval: '2s' });
    const { world, agent } = instance;
    const { app } = world.instance;
    const metadata = { annotations: [{ name: SETTINGS_ANNOTATION, delete: true }] };
    await world.admin.call('PUT', `/1.0/apps/${app}`, { json: { metadata, noRestart: true } });
    await untilProblem(agent, /they are missing from the app/);
    await untilConfigured(agent, 'scrape_interval: 2s');
  });

  it('are forgotten when the first ones were refused and then removed', async () => {
    await using instance = await startInstance('{"retentoin":"1d"}');
    const { agent, world } = instance;
    await untilProblem(agent, /settings are refused/);
    const metadata = { annotations: [{ name: SETTINGS_ANNOTATION, delete: true }] };
    await world.admin.call('PUT', `/1.0/apps/${world.instance.app}`, { json: { metadata, noRestart: true } });
    await until('no problem', async () => (await agent.status()).problems.length === 0);
    assert.equal(await agent.metric('tsuru_agent_settings_refused'), 0);
  });

  it('send samples with secrets that are only in files for Prometheus alone', async () => {
    const [authorizations, teams]: [string[], string[]] = [[], []];
    const receiver = createServer((request, response) => {
      request.resume();
      authorizations.push(request.headers.authorization ?? 'none');
      teams.push(String(request.headers['x-honeycomb-team']));
      response.end();
    });
    using stack = new DisposableStack();
    stack.defer(() => {
      receiver.closeAllConnections();
      receiver.close();
    });
    receiver.listen(0, freeAddress());
    await once(receiver, 'listening');
    const { address, port } = receiver.address() as { address: string; port: number };
    const remote_write = [
      { url: `http://${address}:${port}/write`, basic_auth: { username: 'shop', password_env: 'FAR_PASSWORD' } },
      { url: `http://${address}:${port}/team`, headers: { 'x-honeycomb-team': { env: 'TEAM_KEY' } } },
    ];
    const env = { FAR_PASSWORD: 'very-secret-indeed', TEAM_KEY: 'very-secret-too' };
    await using instance = await startInstance({ remote_write }, { env });
    const { world, agent, prometheus } = instance;
    const expected = `Basic ${Buffer.from('shop:very-secret-indeed').toString('base64')}`;
    await until('samples', () => authorizations.includes(expected));
    const { version } = await prometheus.get('/api/v1/status/buildinfo');
    const { headersInFiles } = featuresOf(String(version));
    if (headersInFiles) await until('samples with the header', () => teams.includes('very-secret-too'));
    else await untilProblem(agent, /needs Prometheus 2\.55 or newer, and this one is 2\./);
    for (const [name, secret] of Object.entries(env)) {
      if (name === 'TEAM_KEY' && !headersInFiles) continue;
      const file = join(world.folder, 'agent', 'credentials', name);
      assert.equal(await readFile(file, 'utf8'), secret);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
    }
    assert.doesNotMatch(await readFile(configFileOf(join(world.folder, 'agent')), 'utf8'), /very-secret/);
    assert.doesNotMatch(agent.program.lines.join('\n'), /very-secret/);
  });

  it('send nothing while their secret is unset, and say how to set it', async () => {
    const remote_write = [{ url: 'http://127.0.0.1:9/write', authorization: { credentials_env: 'FAR_TOKEN' } }];
    await using instance = await startInstance({ remote_write });
    const { world, agent } = instance;
    const problem = await untilProblem(agent, /FAR_TOKEN/);
    assert.match(problem, /set it on this instance's app with "tsuru env-set -p FAR_TOKEN=\.\.\."/);
    assert.doesNotMatch(await readFile(configFileOf(join(world.folder, 'agent')), 'utf8'), /remote_write/);
  });

  it("are not followed, and that is reported, while the token may not read the instance's app", async () => {
    await using instance = await startInstance({ scrape_interval: '2s' });
    const { world, agent, set } = instance;
    await world.instance.unbind(world.instance.app);
    await untilProblem(agent, /own app is not in Tsuru's list/);
    await set({ scrape_interval: '3s' });
    await world.instance.bind(world.instance.app);
    await untilConfigured(agent, 'scrape_interval: 3s');
  });
});
