// What takes Prometheus, or the proof that it has the targets, half a minute or more.
import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import type { RunningAgent } from '../support/agent.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld } from '../support/world.ts';

async function untilInSync(agent: RunningAgent, timeoutMs?: number): Promise<void> {
  await until('in_sync', async () => (await agent.metric('tsuru_agent_in_sync')) === 1, timeoutMs);
}

describe('what Prometheus has loaded', { concurrency: 2 }, () => {
  it('is proven again after somebody removed the watched folder', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    await untilInSync(agent);
    await rm(dirname(agent.targetsFile), { recursive: true });
    await until('the targets gone', async () => (await prometheus.targets()).length === 0);
    // Prometheus before 3.12 reads the new file after up to 30 s, a later one once its discovery is revived.
    await until('the targets back', async () => (await prometheus.targets()).length === 2, 120_000);
    await untilInSync(agent);
  });

  it('is proven for more targets than are compared one by one, when as many others take their place', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 1_001);
    const agent = await world.startAgent();
    const prometheus = await world.startPrometheus();
    await untilInSync(agent);
    await world.annotate('my-app', { 'prometheus.io/port': '9100' });
    await until('the new port written', async () => (await readFile(agent.targetsFile, 'utf8')).includes(':9100"'));
    await untilInSync(agent, 75_000);
    assert.ok((await prometheus.targets()).every(({ url }) => url.includes(':9100/')));
  });
});
