import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { request } from 'undici';
import { samplesOf } from '../../agent/prometheus/api/exposition.ts';
import { isObject } from '../../agent/shared/shape.ts';
import { temporaryTmpfs } from '../budget/tmpfs.ts';
import type { RunningAgent } from '../support/agent.ts';
import type { PrometheusView } from '../support/prometheus.ts';
import { startSmallInstance } from '../support/small-instance.ts';
import { httpUnit } from '../support/unit.ts';
import { until } from '../support/until.ts';
import { startWorld } from '../support/world.ts';

const MIB = 2 ** 20;
const MINUTE_MS = 60_000;

/** By how much each app's own timestamps are ahead of the clock. */
const AHEAD_MS: Readonly<Record<string, number>> = { ahead: 9.5 * MINUTE_MS, late: -11 * MINUTE_MS };

const stampingUnit = httpUnit(({ app }) => (_request, response) => {
  const ahead = AHEAD_MS[app];
  response.setHeader('content-type', 'text/plain; version=0.0.4');
  response.end(`stamped 1${ahead === undefined ? '' : ` ${Date.now() + ahead}`}\n`);
});

async function refusedOf({ url }: PrometheusView): Promise<number> {
  const page = await (await request(`${url}/metrics`)).body.text();
  const names = ['bounds', 'order'].map((what) => `prometheus_target_scrapes_sample_out_of_${what}_total`);
  return names.flatMap((name) => [...samplesOf(page, name)]).reduce((sum, { value }) => sum + value, 0);
}

/** The block ranges of each start of Prometheus, shortest and longest. */
function rangesOf(agent: RunningAgent): readonly (readonly (string | undefined)[])[] {
  return agent
    .log()
    .filter(({ msg }) => msg === 'Prometheus is started')
    .map((line) =>
      ['min', 'max'].map((word) => new RegExp(`${word}-block-duration=(\\w+)`).exec(JSON.stringify(line))?.[1]),
    );
}

describe('the blocks of an instance, on a real tmpfs', { concurrency: 2 }, () => {
  for (const volumeMib of [64, 256]) {
    it(`are long enough that no app's clock costs another app a sample, on ${volumeMib} MiB`, async () => {
      await using volume = await temporaryTmpfs(volumeMib * MIB);
      await using world = await startWorld({ images: () => ({ processes: { web: stampingUnit } }) });
      for (const app of ['ahead', 'blog', 'late', 'shop']) await world.bindNew(app, 2);
      const { prometheus } = await world.startSupervised({ folder: join(volume.path, 'agent') });
      await prometheus.untilTargets('all up', (all) => all.length === 8 && all.every(({ health }) => health === 'up'));
      const count = (app: string, offset: string): Promise<ReadonlyMap<string, number>> =>
        prometheus.query(`count_over_time(stamped{job="${app}"}[10m] offset ${offset})`);
      for (const [app, offset] of [
        ['ahead', '-10m'],
        ['late', '6m'],
        ['blog', '1s'],
        ['shop', '1s'],
      ] as const) {
        await until(`ten samples of ${app}`, async () => {
          const counts = await count(app, offset);
          return counts.size === 2 && [...counts.values()].every((samples) => samples >= 10);
        });
      }
      assert.equal(await refusedOf(prometheus), 0);
    });
  }

  it('have the length for the measured load from the next start on, and a bind causes no restart', async () => {
    await using instance = await startSmallInstance({ volumeMib: 64, apps: { blog: [2, 100], shop: [4, 100] } });
    const { agent, prometheus, path, world } = instance;
    const isUp = (all: readonly { health: string }[]): boolean =>
      all.length === 6 && all.every(({ health }) => health === 'up');
    await prometheus.untilTargets('all up', isUp);
    await until('the load to be known', () => existsSync(join(path, 'agent', 'load.json')), 150_000);
    const saved: unknown = JSON.parse(await readFile(join(path, 'agent', 'load.json'), 'utf8'));
    assert.ok(isObject(saved) && Number(saved['samplesPerSecond']) > 500);
    // Another look, which is every quarter of a minute, changes nothing.
    await wait(20_000);
    assert.deepEqual(rangesOf(agent), [['2h', '18h']]);
    await agent.stop();
    const next = await world.startSupervised({ folder: join(path, 'agent') });
    assert.deepEqual(rangesOf(next.agent), [['5m', '15m']]);
    await next.prometheus.untilTargets('all up again', isUp);
  });
});
