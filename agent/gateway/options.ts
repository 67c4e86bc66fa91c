import type { Pages } from '../report/server.ts';
import type { Verdict } from '../shared/basic-auth.ts';
import type { Log } from '../shared/log.ts';
import type { Limits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { OnStopped } from './stopped-queries.ts';

export interface GatewayOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly prometheus: URL;
  /** The header `Authorization` that this Prometheus asks for; undefined for none. */
  readonly authorization?: string | undefined;
  /** Checks the user and the password of an `Authorization` header. */
  readonly verdictOf: (authorization: string | undefined) => Verdict;
  /** The agent's own, of which the routes of kind `agent` are shown. */
  readonly pages: Pages;
  /** What no page of the agent may show. */
  readonly secrets: readonly string[];
  readonly readiness: () => Promise<{ readonly targetsKnown: boolean; readonly prometheusReady: boolean }>;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  /** Prometheus has stopped a query, with its message. */
  readonly onStopped: OnStopped;
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
  readonly limits?: Partial<Limits>;
}
