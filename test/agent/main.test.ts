import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VARIABLES } from '../../agent/config.ts';
import { VERSION } from '../../agent/shared/version.ts';
import { GATEWAY } from '../support/agent.ts';
import { startProgram } from '../support/program.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld } from '../support/world.ts';

const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

/** Runs the agent's main to its end. */
async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ exit: number | string; lines: readonly string[] }> {
  const program = startProgram({ command: process.execPath, args: [MAIN, ...args], env });
  return { exit: await program.end, lines: program.lines };
}

describe("the agent's command line", { concurrency: 4 }, () => {
  it('shows its version and its help, with every variable', async () => {
    assert.deepEqual(await run(['--version']), { exit: 0, lines: [VERSION] });
    const help = await run(['--help']);
    assert.equal(help.exit, 0);
    for (const { name } of VARIABLES)
      assert.ok(
        help.lines.some((line) => line.trim().startsWith(`${name} `)),
        name,
      );
  });

  it('checks the configuration without starting, and tells every problem', async () => {
    const valid = { TSURU_HOST: 'http://127.0.0.1:1', TSURU_TOKEN: 'x', ...GATEWAY };
    assert.deepEqual(await run(['--check-config'], valid), { exit: 0, lines: ['The configuration is valid.'] });
    const wrong = await run(['--check-config'], { AGENT_LISTEN: 'x', ...GATEWAY });
    assert.equal(wrong.exit, 2);
    assert.equal(wrong.lines.length, 3);
  });

  it('refuses what it does not know', async () => {
    const { exit, lines } = await run(['--chek-config']);
    assert.equal(exit, 2);
    assert.match(lines.join(), /Unknown option '--chek-config'.*See "node agent --help"/);
    assert.equal((await run(['extra'])).exit, 2);
  });

  it('does not start with a wrong configuration', async () => {
    const { exit, lines } = await run([], { TSURU_TOKEN: 'x' });
    assert.equal(exit, 2);
    assert.match(lines.join(), /TSURU_HOST is not set/);
  });

  it('says which port is in use, and what to do', async () => {
    await using world = await startWorld({ images: silentImages });
    const agent = await world.startAgent();
    const listen = new URL(agent.url).host;
    const env = {
      TSURU_HOST: world.tsuru.url,
      TSURU_TOKEN: 'x',
      ...GATEWAY,
      AGENT_LISTEN: listen,
      AGENT_DATA_DIR: `${world.folder}/second`,
    };
    const { exit, lines } = await run([], env);
    assert.equal(exit, 1);
    assert.equal(
      lines.at(-1),
      `${listen} is in use: set AGENT_LISTEN to another port, or stop the process that uses it.`,
    );
  });
});

describe('an agent that is told to stop', { concurrency: 4 }, () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`by ${signal} ends well within 2 s`, async () => {
      await using world = await startWorld({ images: silentImages });
      await world.bindNew('my-app');
      const agent = await world.startAgent();
      await until('a poll', async () => (await agent.status()).lastPoll.ok);
      const startedAt = performance.now();
      agent.program.kill(signal);
      assert.equal(await agent.program.end, 0);
      assert.ok(performance.now() - startedAt < 2_000);
      assert.equal(agent.log().at(-1)?.['msg'], 'the agent has stopped');
    });
  }

  it('while Tsuru does not answer ends within 2 s all the same', async () => {
    const silent = createServer(() => undefined);
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    assert.ok(address !== null && typeof address !== 'string');
    await using world = await startWorld();
    const agent = await world.startAgent({ tsuruUrl: `http://127.0.0.1:${address.port}` });
    const startedAt = performance.now();
    assert.equal(await agent.stop(), 0);
    assert.ok(performance.now() - startedAt < 2_000);
    silent.closeAllConnections();
    silent.close();
  });
});
