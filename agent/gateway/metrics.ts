import type { Registry } from 'prom-client';
import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import type { QueryCounts } from './queries.ts';
import { REFUSAL_REASONS, type RefusalReason } from './refusals.ts';
import type { Kind } from './routes.ts';

const PREFIX = 'tsuru_agent_gateway_';
/** From a metric's last value to Prometheus' own timeout, in seconds. */
const DURATION_BUCKETS = [0.01, 0.05, 0.25, 1, 5, 30, 120];

/** The metrics of the gateway. */
export interface GatewayMetrics {
  /** A request has ended: with this status, or cut before its answer had. One that was refused before it was looked up has no kind. */
  readonly answered: (kind: Kind | 'none', status: number | 'cut', durationMs: number) => void;
  readonly refused: (reason: RefusalReason) => void;
  readonly queries: (counts: QueryCounts) => void;
}

export function createGatewayMetrics(registry: Registry): GatewayMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: `${PREFIX}requests_total`,
    help: 'Requests to the guarded port by kind and status; "cut" when the connection ended before the answer.',
    labelNames: ['kind', 'status'],
    registers,
  });
  const refused = new Counter({
    name: `${PREFIX}refused_total`,
    help: 'Requests and connections that the guarded port refused, by reason.',
    labelNames: ['reason'],
    registers,
  });
  REFUSAL_REASONS.forEach((reason) => {
    refused.inc({ reason }, 0);
  });
  const running = new Gauge({ name: `${PREFIX}queries`, help: 'Queries that run in Prometheus.', registers });
  const waiting = new Gauge({ name: `${PREFIX}queries_waiting`, help: 'Queries that wait for a place.', registers });
  const duration = new Histogram({
    name: `${PREFIX}query_duration_seconds`,
    help: 'How long queries took, from the request to the end of the answer.',
    buckets: DURATION_BUCKETS,
    registers,
  });
  return {
    answered(kind, status, durationMs) {
      requests.inc({ kind, status: String(status) });
      if (kind === 'query') duration.observe(durationMs / 1000);
    },
    refused(reason) {
      refused.inc({ reason });
    },
    queries(counts) {
      running.set(counts.running);
      waiting.set(counts.waiting);
    },
  };
}
