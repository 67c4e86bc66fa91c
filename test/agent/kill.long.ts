import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { silentImages, startWorld } from '../support/world.ts';

const KILLS = 60;
/** Enough that a write takes a while. */
const UNITS = 1_000;
/** Each kill comes at another moment after the agent has opened its pages, so that many fall into a write. */
const LONGEST_LIFE_MS = 300;

describe('an agent that is killed (-9) in the middle of writes', () => {
  it(`${KILLS} times always leaves a whole file of one version`, { timeout: 300_000 }, async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', UNITS);
    const stop = new AbortController();
    // Every version gives all targets another port, so that a mixture of two would show.
    const churn = (async () => {
      for (let version = 0; !stop.signal.aborted; version++) {
        await world.annotate('my-app', { 'prometheus.io/port': String(10_000 + (version % 1_000)) });
        await wait(20);
      }
    })();

    let versions = 0;
    let before = '';
    for (let kill = 0; kill < KILLS; kill++) {
      const agent = await world.startAgent({ env: { AGENT_POLL_INTERVAL: '100ms', AGENT_LOG_LEVEL: 'silent' } });
      if (kill === 0) await until('the first file', async () => (await readFile(agent.targetsFile, 'utf8')) !== '');
      await wait((LONGEST_LIFE_MS * kill) / KILLS);
      agent.program.kill('SIGKILL');
      await agent.program.end;

      const text = await readFile(agent.targetsFile, 'utf8');
      const groups = JSON.parse(text) as readonly { targets: readonly string[] }[];
      const ports = new Set(groups.map(({ targets }) => targets[0]?.split(':')[1]));
      assert.equal(groups.length, UNITS);
      assert.equal(ports.size, 1);
      if (text !== before) versions++;
      before = text;
    }
    stop.abort();
    await churn;
    assert.ok(versions > KILLS / 4, `the agents wrote: ${versions} versions`);
    assert.deepEqual(await readdir(join(world.folder, 'agent', 'targets')), ['apps.json']);
  });
});
