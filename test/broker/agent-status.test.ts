import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Status, UnitStatus } from '../../agent/shared/status.ts';
import { askAgent, type AgentStatus, type AgentUnit } from '../../broker/instances/agent-status.ts';
import { until } from '../support/until.ts';
import { startWorld } from '../support/world.ts';

const CREDENTIALS = { username: 'prometheus', password: 'not-asked-for-here' };

describe('the status page of a real agent', () => {
  it('is read by the broker without loss: its problems, and the units that are up, down and left out', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app', 1, 'shop/app-worker-silent:1');
    await world.bindNew('quiet');
    await world.annotate('quiet', { 'prometheus.io/scrape': 'false', 'prometheus.io/port': 'many' });
    await world.bindNew(world.instance.app);
    const agent = await world.startAgent({ env: { TSURU_APPNAME: world.instance.app } });
    await world.startPrometheus();
    await world.addUnits('my-app', 1, 'worker');
    await agent.poll();
    const healths = async (): Promise<string[]> =>
      (await agent.status()).apps.flatMap(({ units }) =>
        units.map((unit) => ('leftOut' in unit ? unit.reason : (unit.health ?? ''))),
      );
    await until('a unit up, one down and one left out', async () => {
      const all = await healths();
      return ['up', 'down', 'opted_out'].every((one) => all.includes(one)) && !all.includes('unknown');
    });

    const answer = await askAgent({ address: agent.url, credentials: CREDENTIALS }, AbortSignal.timeout(10_000));
    const written = await agent.status();
    assert.deepEqual(answer, { kind: 'answered', status: usedOf(written) });
    assert.match(JSON.stringify(answer), /prometheus\.io\/port=many is ignored/);
    assert.match(written.token, /^[0-9a-f]{8}$/);
  });

  it('is read by the broker without loss while Tsuru cannot list the units of an app', async () => {
    await using world = await startWorld();
    await world.bindNew('my-app');
    const agent = await world.startAgent();
    await until('a poll', async () => (await agent.status()).apps.length > 0);
    world.tsuru.faults.add({ kind: 'units-unknown', app: 'my-app' });
    await agent.poll();
    const answer = await askAgent({ address: agent.url, credentials: CREDENTIALS }, AbortSignal.timeout(10_000));
    const written = await agent.status();
    assert.notEqual(written.apps[0]?.unknown, undefined);
    assert.equal(written.ready, false);
    assert.deepEqual(answer, { kind: 'answered', status: usedOf(written) });
  });
});

/** What the broker uses of a status, by the fields' names alone. */
function usedOf({ ready, token, problems, sync, versions, capacity, apps }: Status): AgentStatus {
  return {
    ...{ ready, token, problems },
    sync: sync.problem === undefined ? {} : { problem: sync.problem },
    versions: { agent: versions.agent, prometheus: versions.prometheus ?? '' },
    storage: { used: capacity?.volumeUsedBytes, size: capacity?.volumeBytes },
    apps: apps.map(({ name, unknown, problems: own, units }) => ({
      ...{ name, problems: own, units: units.map(usedOfUnit) },
      ...(unknown === undefined ? {} : { unknown }),
    })),
  };
}

function usedOfUnit(written: UnitStatus): AgentUnit {
  const { unit } = written;
  if ('leftOut' in written) return { unit, leftOut: written.leftOut, reason: written.reason };
  const { health, lastError } = written;
  return { unit, ...(health === undefined ? {} : { health }), ...(lastError === undefined ? {} : { lastError }) };
}
