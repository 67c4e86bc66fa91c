import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import Registry from 'prom-client/lib/registry.js';
import { Pool } from 'undici';
import { startGateway } from '../../agent/gateway/gateway.ts';
import { createGatewayMetrics } from '../../agent/gateway/metrics.ts';
import { createCheck } from '../../agent/shared/basic-auth.ts';
import { createLog } from '../../agent/shared/log.ts';
import { monotonicMs } from './moments.ts';
import { summarize, type Summary } from './statistics.ts';

const PATH = '/api/v1/query';
const USER = 'bench';
const PASSWORD = 'a-password-of-the-bench';
/** Below what the gateway lets at Prometheus at once. */
const AT_ONCE = 8;
/** The first answers pay for connections and for compiled code. */
const WARM_UP = 50;

/** Answers of one size, asked for directly and through the gateway. */
export interface GatewayTimes {
  readonly bytes: number;
  readonly direct: Way;
  readonly guarded: Way;
}

export interface Way {
  /** One request after the other. */
  readonly latencyMs: Summary;
  /** With several at once. */
  readonly perSecond: number;
}

export interface GatewayPlan {
  readonly bytes: number;
  readonly requests: number;
}

/** Measures a stand-in for Prometheus that answers from memory, so that what differs is the gateway. All three are in this process. */
export async function measureGateway(
  owner: AsyncDisposableStack,
  plans: readonly GatewayPlan[],
): Promise<GatewayTimes[]> {
  const stack = owner.use(new AsyncDisposableStack());
  const bodies = new Map(plans.map(({ bytes }) => [String(bytes), Buffer.alloc(bytes, 'x')]));
  const upstream = createServer((request, response) => {
    response.end(bodies.get(new URL(request.url ?? '/', 'http://bench').searchParams.get('query') ?? ''));
  });
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  stack.defer(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  const gateway = await startGateway({
    listen: { host: '127.0.0.1', port: 0 },
    prometheus: new URL(url),
    verdictOf: createCheck({ username: USER, password: PASSWORD }),
    pages: {},
    secrets: [],
    readiness: () => Promise.resolve({ targetsKnown: true, prometheusReady: true }),
    log: createLog('silent', []),
    metrics: createGatewayMetrics(new Registry()),
    onStopped: () => undefined,
    nowMs: monotonicMs,
  });
  stack.defer(() => gateway.close());
  const times: GatewayTimes[] = [];
  for (const plan of plans) {
    times.push({ bytes: plan.bytes, direct: await measure(url, plan), guarded: await measure(gateway.url, plan) });
  }
  await stack.disposeAsync();
  return times;
}

async function measure(url: string, { bytes, requests }: GatewayPlan): Promise<Way> {
  const pool = new Pool(url, { connections: AT_ONCE });
  const authorization = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;
  async function get(): Promise<number> {
    const startedMs = monotonicMs();
    const { statusCode, body } = await pool.request({
      method: 'GET',
      path: `${PATH}?query=${bytes}`,
      headers: { authorization },
    });
    let received = 0;
    for await (const chunk of body) received += (chunk as Buffer).length;
    if (statusCode !== 200 || received !== bytes)
      throw new Error(`${url} answered ${statusCode} with ${received} bytes`);
    return monotonicMs() - startedMs;
  }
  try {
    for (let n = 0; n < Math.min(WARM_UP, requests); n++) await get();
    const samples: number[] = [];
    for (let n = 0; n < requests; n++) samples.push(await get());
    const startedMs = monotonicMs();
    let left = requests;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (left-- > 0) await get();
      }),
    );
    return { latencyMs: summarize(samples), perSecond: (requests * 1000) / (monotonicMs() - startedMs) };
  } finally {
    await pool.close();
  }
}
