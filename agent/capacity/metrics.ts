import type { Registry } from 'prom-client';
import Gauge from 'prom-client/lib/gauge.js';
import type { CapacityStatus } from '../shared/status.ts';

/** Name without the prefix, help, and where it is. */
const GAUGES: readonly (readonly [string, string, (capacity: CapacityStatus) => number | undefined])[] = [
  ['memory_limit_bytes', 'How much memory the container has.', ({ memoryLimitBytes }) => memoryLimitBytes],
  ['volume_size_bytes', "The size of the data's volume.", ({ volumeBytes }) => volumeBytes],
  ['volume_used_bytes', 'How much of it is taken.', ({ volumeUsedBytes }) => volumeUsedBytes],
  ['retention_size_bytes', 'What WAL, head and blocks may take together.', (capacity) => capacity.retentionSizeBytes],
  ['budget_load_ratio', 'How much of what may be scraped is given to targets; 1 is all.', ({ load }) => load],
  [
    'guard_steps',
    'How often the retention is halved and intervals are doubled, as the volume is full.',
    (capacity) => capacity.steps,
  ],
  [
    'apps_paused',
    'Apps that are not scraped as they make too many new series.',
    (capacity) => capacity.pausedApps.length,
  ],
];

/** The room of the agent's own Prometheus: without values until there is one, which the returned function is reported. */
export function collectCapacityMetrics(registry: Registry, prefix: string): (status: () => CapacityStatus) => void {
  let status: (() => CapacityStatus) | undefined;
  for (const [name, help, read] of GAUGES) {
    new Gauge({
      name: prefix + name,
      help,
      registers: [registry],
      collect() {
        const value = status && read(status());
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  }
  return (source) => {
    status = source;
  };
}
