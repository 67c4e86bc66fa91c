import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { RunningAgent } from '../support/agent.ts';
import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { startProgram } from '../support/program.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld, type World } from '../support/world.ts';

const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

/** A program that is found before the real one: it says that it runs, and does not end by itself while `slow` is there. */
async function slowProgram({ folder }: World, name: string): Promise<Readonly<Record<string, string>>> {
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  const script = `#!/bin/sh\n[ -e ${folder}/slow ] || PATH=\${PATH#*:} exec ${name} "$@"\ntouch ${folder}/asked\nexec sleep 60\n`;
  await writeFile(join(bin, name), script);
  await chmod(join(bin, name), 0o755);
  return { PATH: `${bin}:${process.env['PATH'] ?? ''}` };
}

async function untilAsked({ folder }: World): Promise<void> {
  await until('the program to be asked', async () => (await readdir(folder)).includes('asked'));
}

async function beSlow({ folder }: World): Promise<void> {
  await writeFile(join(folder, 'slow'), '');
}

async function assertQuietStop(agent: RunningAgent): Promise<void> {
  const before = agent.log().length;
  assert.equal(await agent.stop(), 0);
  const loud = agent
    .log()
    .slice(before)
    // Prometheus itself warns of the signal with which it is stopped.
    .filter(({ level, component }) => (level === 'warn' || level === 'error') && component !== 'prometheus');
  assert.deepEqual(loud, []);
}

describe('a stop of the agent', { concurrency: 3 }, () => {
  it('during a check of new settings does not refuse them', async () => {
    await using world = await startWorld({ images: silentImages });
    const { app } = world.instance;
    await world.bindNew(app);
    const env = { TSURU_APPNAME: app, ...(await slowProgram(world, 'promtool')) };
    const agent = await world.startAgent({ env });
    await world.startPrometheus();
    await until('the first configuration', async () => (await agent.status()).configuration.loaded !== null);
    await beSlow(world);
    await world.annotate(app, { [SETTINGS_ANNOTATION]: '{"scrape_interval":"3s"}' });
    await untilAsked(world);
    await assertQuietStop(agent);
  });

  it('during a check of new rules, while Prometheus runs, is no problem', async () => {
    await using world = await startWorld({ images: silentImages });
    const { agent } = await world.startSupervised({ env: await slowProgram(world, 'promtool') });
    await until('the first configuration', async () => (await agent.status()).configuration.loaded !== null);
    await beSlow(world);
    await world.writeRule('a.yml', 'groups: []\n');
    await untilAsked(world);
    await assertQuietStop(agent);
  });

  it('during the first check, before Prometheus runs, is no problem', async () => {
    await using world = await startWorld({ images: silentImages });
    const env = await slowProgram(world, 'promtool');
    await beSlow(world);
    const program = startProgram({
      command: process.execPath,
      args: [MAIN],
      env: {
        ...{ TSURU_HOST: world.tsuru.url, TSURU_TOKEN: world.instance.token },
        ...{ AGENT_DATA_DIR: join(world.folder, 'agent'), PROMETHEUS_URL: 'http://127.0.0.1:9' },
        ...env,
      },
    });
    await untilAsked(world);
    assert.equal(await program.stop(), 0);
    assert.deepEqual(
      program.lines.filter((line) => !line.includes('"level":"info"')),
      [],
    );
  });
});
