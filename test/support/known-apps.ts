import type { App, AppDetails, KnownApp, Port, Unit } from '../../agent/discovery/known-apps.ts';
import type { DiscoveryOptions } from '../../agent/discovery/discover.ts';

/** Prometheus' own defaults, and no limit that a test would meet by chance. */
export const OPTIONS: DiscoveryOptions = { scrape: { intervalMs: 15_000, timeoutMs: 10_000 }, targetsPerApp: 10_000 };

export function unit(name: string, more: Partial<Unit> = {}): Unit {
  return {
    id: name,
    name,
    process: 'web',
    status: 'started',
    version: '1',
    internalIp: '10.0.0.1',
    hostPort: '',
    ...more,
  };
}

export function port(targetPort: number, more: Partial<Port> = {}): Port {
  return { process: 'web', protocol: 'TCP', targetPort, version: '', ...more };
}

export interface Parts {
  readonly app?: Partial<App>;
  readonly units?: readonly Unit[];
  readonly details?: Partial<AppDetails>;
}

/** An app with one unit of its process web at port 8888, but for what is reported otherwise. */
export function known(name: string, { app = {}, units = [unit(`${name}-1`)], details = {} }: Parts = {}): KnownApp {
  return {
    app: { name, pool: 'dev', team: 'shop', annotations: {}, labels: {}, ...app },
    units,
    details: { platform: 'nodejs', ports: [port(8888)], processes: {}, ...details },
  };
}

export function byName(...apps: readonly KnownApp[]): Map<string, KnownApp> {
  return new Map(apps.map((app) => [app.app.name, app]));
}
