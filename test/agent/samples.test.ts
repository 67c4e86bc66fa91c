import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RunningAgent } from '../support/agent.ts';
import { until } from '../support/until.ts';
import { httpUnit } from '../support/unit.ts';
import { startWorld } from '../support/world.ts';

const HOUR_MS = 3_600_000;

/** What each app exposes; `value` is another one each time. */
const EXPOSES: Readonly<Record<string, (nowMs: number, value: number) => string>> = {
  ahead: (nowMs) => `x 1 ${nowMs + HOUR_MS}\n`,
  behind: (nowMs) => `x 1 ${nowMs - 3 * HOUR_MS}\n`,
  same: (nowMs, value) => `x ${value} ${Math.floor(nowMs / 60_000) * 60_000}\n`,
  fine: () => 'x 1\n',
};

function problemOf(agent: RunningAgent, app: string, words: RegExp): Promise<string> {
  return until(`${app}: ${words.source}`, async () => {
    const { apps } = await agent.status();
    return apps.find(({ name }) => name === app)?.problems.find((problem) => words.test(problem));
  });
}

describe('samples that Prometheus refuses', () => {
  it('are reported with the name of their app, though its targets are up', async () => {
    let value = 0;
    await using world = await startWorld({
      images: (image) => {
        const exposes = EXPOSES[/shop\/(\w+)/.exec(image)?.[1] ?? ''] ?? (() => '');
        const web = httpUnit(() => (_request, response) => {
          value += 1;
          response.setHeader('content-type', 'text/plain; version=0.0.4');
          response.end(exposes(Date.now(), value));
        });
        return { processes: { web } };
      },
    });
    for (const app of Object.keys(EXPOSES)) await world.bindNew(app, 1, `shop/${app}:1`);
    const { agent } = await world.startSupervised();
    const sentence =
      /^Prometheus refused \d+ samples? since \d{4}-.*: their timestamps are too old, or more than 10 min/;
    await problemOf(agent, 'ahead', sentence);
    await problemOf(agent, 'same', /another value with the same timestamp is stored already/);
    // Where samples may come out of order, the whole scrape fails.
    await problemOf(agent, 'behind', /timestamps (that|are) .*too old/);
    const { apps } = await agent.status();
    assert.deepEqual(apps.find(({ name }) => name === 'fine')?.problems, []);
    const refused = 'tsuru_agent_samples_refused_total{app="ahead",reason="out_of_bounds"}';
    assert.ok(((await agent.metric(refused)) ?? 0) >= 1);
    const logged = agent.log().filter(({ msg }) => String(msg).startsWith('ahead: Prometheus refuses samples'));
    assert.equal(logged.length, 1);
  });

  it('are reported without a name where somebody else runs Prometheus', async () => {
    const web = httpUnit(() => (_request, response) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(`x 1 ${Date.now() + HOUR_MS}\n`);
    });
    await using world = await startWorld({ images: () => ({ processes: { web } }) });
    await world.bindNew('ahead');
    const agent = await world.startAgent();
    await world.startPrometheus();
    await until('the problem', async () =>
      (await agent.status()).problems.find((problem) => /^Prometheus refused \d+ samples? for their/.test(problem)),
    );
  });
});
