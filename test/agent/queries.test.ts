import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { freeAddress } from '../support/address.ts';
import { GATEWAY } from '../support/agent.ts';
import { startSmallInstance, type SmallInstance } from '../support/small-instance.ts';
import { until } from '../support/until.ts';

const LARGE = 'last_over_time({__name__=~".+"}[4h])';
/** Takes seconds, and hardly any memory: nearly all of its steps find nothing. */
const LONG = 'sum_over_time(up{job="shop"}[50000h:1s])';

interface Asked {
  readonly instance: SmallInstance;
  readonly ask: (path: string, signal?: AbortSignal) => Promise<{ readonly status: number; readonly body: string }>;
}

/** An instance of 512 MiB that is asked through its public port. */
async function startAsked(): Promise<Asked> {
  const address = freeAddress();
  const instance = await startSmallInstance({
    volumeMib: 64,
    memoryMib: 512,
    apps: { shop: [1, 500] },
    agent: { env: { AGENT_GATEWAY_ADDRESS: address } },
  });
  const basic = Buffer.from(`${GATEWAY.GATEWAY_USERNAME}:${GATEWAY.GATEWAY_PASSWORD}`).toString('base64');
  return {
    instance,
    async ask(path, signal) {
      const { statusCode, body } = await request(`http://${address}:8888${path}`, {
        headers: { authorization: `Basic ${basic}` },
        ...(signal === undefined ? {} : { signal }),
      });
      return { status: statusCode, body: await body.text() };
    },
  };
}

describe('queries of a small instance', { concurrency: 2 }, () => {
  it('that hold more than the memory allows fail with the words of Prometheus, which lives', async () => {
    const { instance, ask } = await startAsked();
    await using stack = new AsyncDisposableStack();
    stack.use(instance);
    await instance.prometheus.untilTargets('it up', (all) => all.some(({ health }) => health === 'up'));
    const flags = await instance.prometheus.get('/api/v1/status/flags');
    // 40 % of a GOMEMLIMIT of 288 MiB at 100 bytes a sample, in three parts.
    assert.equal(flags['query.max-samples'], '402653');
    assert.equal(flags['query.max-concurrency'], '3');
    const now = Math.floor(Date.now() / 1000);
    const range = new URLSearchParams({ query: LARGE, start: `${now}`, end: `${now + 10_999}`, step: '1' }).toString();
    for (const { status, body } of await Promise.all([1, 2, 3, 4].map(() => ask(`/api/v1/query_range?${range}`)))) {
      assert.equal(status, 422, body.slice(0, 200));
      assert.match(body, /query processing would load too many samples into memory/);
    }
    assert.equal((await ask('/api/v1/query?query=up')).status, 200);
    const counted = 'tsuru_agent_runtime_failures_total{kind="query",name="query_max_samples"}';
    await until('them counted', async () => ((await instance.agent.metric(counted)) ?? 0) > 0);
    assert.equal((await instance.agent.status()).prometheus.process?.crashes, 0);
  });

  it('run two at once, and are named in the status when Prometheus is killed meanwhile', async () => {
    const { instance, ask } = await startAsked();
    await using stack = new AsyncDisposableStack();
    stack.use(instance);
    const { agent, prometheus } = instance;
    await prometheus.untilTargets('it up', (all) => all.some(({ health }) => health === 'up'));
    const leave = new AbortController();
    const path = `/api/v1/query?query=${encodeURIComponent(LONG)}`;
    const asked = [1, 2, 3, 4].map(() => ask(path, leave.signal).catch(() => undefined));
    await until('two to run and two to wait', async () => {
      const running = await agent.metric('tsuru_agent_gateway_queries');
      return running === 2 && (await agent.metric('tsuru_agent_gateway_queries_waiting')) === 2;
    });
    const pid = Number(agent.log().findLast(({ msg }) => msg === 'Prometheus is started')?.['pid']);
    process.kill(pid, 'SIGKILL');
    leave.abort();
    await Promise.all(asked);
    const problem = await until('the query named', async () =>
      (await agent.status()).problems.find((text) => text.includes('Prometheus ended while it ran')),
    );
    assert.ok(problem.includes(LONG), problem);
    await until('it ready again', async () => (await agent.status()).prometheus.ready);
  });
});
