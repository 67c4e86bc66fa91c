import assert from 'node:assert/strict';
import { appendFile, copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { RunningAgent } from '../support/agent.ts';
import type { RunningPrometheus } from '../support/prometheus.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld, type World } from '../support/world.ts';

const BASE = fileURLToPath(new URL('../../image/prometheus.yml', import.meta.url));

/** A file with one recording rule. */
function rule(record: string): string {
  return `groups:\n  - name: test\n    rules:\n      - record: ${record}\n        expr: up\n`;
}

/** The names of the rules that Prometheus runs, without the alerts about the instance itself. */
async function rulesOf({ url }: RunningPrometheus): Promise<string[]> {
  const { data } = (await (await fetch(`${url}/api/v1/rules`)).json()) as {
    data: { groups: { name: string; rules: { name: string }[] }[] };
  };
  const groups = data.groups.filter(({ name }) => !name.startsWith('instance_'));
  return groups.flatMap(({ rules }) => rules.map(({ name }) => name)).sort();
}

async function untilRules(prometheus: RunningPrometheus, ...names: readonly string[]): Promise<void> {
  await until(`the rules ${names.join()}`, async () => (await rulesOf(prometheus)).join() === names.join());
}

/** An agent whose Prometheus has loaded what it rendered. */
async function startLoaded(
  world: World,
  env: Readonly<Record<string, string>> = {},
): Promise<{ agent: RunningAgent; prometheus: RunningPrometheus }> {
  const agent = await world.startAgent({ env });
  const prometheus = await world.startPrometheus();
  await until('the first configuration loaded', async () => (await agent.status()).configuration.loaded !== null);
  return { agent, prometheus };
}

async function untilRefused(agent: RunningAgent, pattern: RegExp): Promise<void> {
  await until(`refused: ${pattern}`, async () => pattern.test((await agent.status()).configuration.refused ?? ''));
}

describe('a change of rules', { concurrency: 4 }, () => {
  it('is loaded, and the next one too, each with one reload', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent, prometheus } = await startLoaded(world);
    const before = (await agent.metric('tsuru_agent_reloads_total')) ?? 0;
    await world.writeRule('a.yml', rule('a'));
    await untilRules(prometheus, 'a');
    await world.writeRule('b.yaml', rule('b'));
    await untilRules(prometheus, 'a', 'b');
    await rm(join(world.folder, 'agent', 'rules', 'a.yml'));
    await untilRules(prometheus, 'b');
    await until('the last reload proven', async () => (await agent.metric('tsuru_agent_reload_last_successful')) === 1);
    assert.equal(await agent.metric('tsuru_agent_reloads_total'), before + 3);
    assert.equal(await agent.metric('tsuru_agent_config_checks_failed_total'), 0);
  });

  it("that is invalid is refused with promtool's message, and the last valid one stays in force", async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent, prometheus } = await startLoaded(world);
    await world.writeRule('a.yml', rule('a'));
    await untilRules(prometheus, 'a');
    await world.writeRule('b.yml', 'groups:\n  - name: test\n    rules:\n      - record: b\n        expr: sum(\n');
    await untilRefused(agent, /promtool refuses the new configuration: [^]*b\.yml[^]*parse error/);
    const reloads = await agent.metric('tsuru_agent_reloads_total');
    assert.deepEqual(await rulesOf(prometheus), ['a']);
    assert.ok(((await agent.metric('tsuru_agent_config_checks_failed_total')) ?? 0) >= 1);
    assert.match((await agent.status()).problems.join(), /keeping the last valid configuration/);
    assert.equal(agent.log().filter(({ msg }) => String(msg).includes('promtool refuses')).length, 1);

    // What is on disk is still good: a restart of Prometheus runs it.
    await prometheus.stop();
    const again = await world.startPrometheus();
    assert.deepEqual(await rulesOf(again), ['a']);
    assert.equal(await agent.metric('tsuru_agent_reloads_total'), reloads);

    await world.writeRule('b.yml', rule('b'));
    await untilRules(again, 'a', 'b');
    await until('no more problem', async () => (await agent.status()).configuration.refused === undefined);
  });

  it('that is reverted while Prometheus starts is not loaded', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent, prometheus } = await startLoaded(world);
    await world.writeRule('a.yml', rule('a'));
    await untilRules(prometheus, 'a');
    await prometheus.stop();
    const configFile = join(world.folder, 'agent', 'config', 'prometheus.yml');
    const before = await readFile(configFile, 'utf8');
    await world.writeRule('a.yml', rule('b'));
    await until('the change in place', async () => (await readFile(configFile, 'utf8')) !== before);
    const again = await world.startPrometheus();
    await world.writeRule('a.yml', rule('a'));
    await untilRules(again, 'a');
    await until('no problem left', async () => {
      const { refused, waiting } = (await agent.status()).configuration;
      return refused === undefined && waiting === undefined;
    });
  });

  it('that is half written is loaded once it is whole', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent, prometheus } = await startLoaded(world);
    const whole = rule('a');
    await world.writeRule('a.yml', whole.slice(0, -12));
    await untilRefused(agent, /promtool refuses/);
    await appendFile(join(world.folder, 'agent', 'rules', 'a.yml'), whole.slice(-12));
    await untilRules(prometheus, 'a');
  });

  it('is noticed when Kubernetes swaps the link of a mounted volume', async () => {
    await using world = await startWorld({ images: silentImages });
    const mount = join(world.folder, 'mounted');
    /** As the kubelet does it: a folder a version, ..data to the present one, and each file a link through ..data. */
    const publish = async (version: string, text: string): Promise<void> => {
      await mkdir(join(mount, version), { recursive: true });
      await writeFile(join(mount, version, 'a.yml'), text);
      await symlink(version, join(mount, '..data_tmp'));
      await rename(join(mount, '..data_tmp'), join(mount, '..data'));
    };
    await publish('..1', rule('one'));
    await symlink(join('..data', 'a.yml'), join(mount, 'a.yml'));
    const { prometheus } = await startLoaded(world, { AGENT_RULES_DIR: mount });
    await untilRules(prometheus, 'one');
    await publish('..2', rule('two'));
    await untilRules(prometheus, 'two');
    await publish('..3', rule('three'));
    await untilRules(prometheus, 'three');
  });

  it('takes few reloads when many come at once', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent, prometheus } = await startLoaded(world);
    const before = (await agent.metric('tsuru_agent_reloads_total')) ?? 0;
    const names = Array.from({ length: 30 }, (_, index) => `r${String(index).padStart(2, '0')}`);
    await Promise.all(
      names.map((name) => world.writeRule(`${name}.yml`, rule(name).replace('name: test', `name: ${name}`))),
    );
    await untilRules(prometheus, ...names);
    assert.ok(((await agent.metric('tsuru_agent_reloads_total')) ?? 0) - before <= 3);
  });
});

describe('a change of the base configuration', { concurrency: 4 }, () => {
  it('is loaded, and one that makes no sense is refused', async () => {
    await using world = await startWorld({ images: silentImages });
    const base = join(world.folder, 'base.yml');
    await copyFile(BASE, base);
    const { agent, prometheus } = await startLoaded(world, { AGENT_BASE_CONFIG: base });
    const text = await readFile(base, 'utf8');
    const config = async (): Promise<string> => (await fetch(`${prometheus.url}/api/v1/status/config`)).text();

    await writeFile(base, text.replace('job_name: agent', 'job_name: this-agent'));
    await until('the new name', async () => (await config()).includes('job_name: this-agent'));
    await writeFile(base, text.replace('job_name: agent', 'scrape_timeout: often\n    job_name: agent'));
    await untilRefused(agent, /promtool refuses/);
    await writeFile(base, text.replace('job_name: tsuru-apps', 'job_name: others'));
    await untilRefused(agent, /scrape_configs has no job called tsuru-apps/);
    await rm(base);
    await untilRefused(agent, /cannot be made: ENOENT/);
    assert.ok((await config()).includes('job_name: this-agent'));
    await writeFile(base, text);
    await until('the first name again', async () => (await config()).includes('job_name: agent'));
  });

  it('that Prometheus itself refuses is reverted, with its message', async () => {
    await using world = await startWorld({ images: silentImages });
    const base = join(world.folder, 'base.yml');
    const text = await readFile(BASE, 'utf8');
    await writeFile(base, text);
    const { agent, prometheus } = await startLoaded(world, { AGENT_BASE_CONFIG: base });
    const configFile = join(world.folder, 'agent', 'config', 'prometheus.yml');
    const good = await readFile(configFile, 'utf8');
    // Valid to promtool, but two receivers alike are not to Prometheus.
    const receiver = '  - url: http://127.0.0.1:1/write\n';
    await writeFile(base, `${text}\nremote_write:\n${receiver}${receiver}`);
    await untilRefused(agent, /Prometheus answered 500: failed to reload config/);
    await until('the good configuration in place', async () => (await readFile(configFile, 'utf8')) === good);
    assert.ok(((await agent.metric('tsuru_agent_reloads_failed_total{reason="refused"}')) ?? 0) >= 1);
    await writeFile(base, text);
    await until('no more problem', async () => (await agent.status()).configuration.refused === undefined);
    assert.equal(prometheus.program.exited, false);
  });
});
