/** Apps are called what their owners like, "agent" too: only series of apps have the label tsuru_app. */
const AGENT = 'job="agent", tsuru_app=""';
const PROMETHEUS = 'job="prometheus", tsuru_app=""';
export const BOTH = 'job=~"agent|prometheus", tsuru_app=""';
/** Both are scraped once a minute (image/prometheus.yml). */
export const INTERVAL = '1m';

/** A metric of the agent. */
export const agent = (name: string): string => `tsuru_agent_${name}{${AGENT}}`;
/** A metric that Prometheus has of itself. */
export const own = (name: string): string => `prometheus_${name}{${PROMETHEUS}}`;
export const rate = (series: string): string => `rate(${series}[$__rate_interval])`;
export const increase = (series: string): string => `increase(${series}[$__rate_interval])`;
