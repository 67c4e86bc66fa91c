import type { Registry } from 'prom-client';
import Counter from 'prom-client/lib/counter.js';
import eventLoopLag from 'prom-client/lib/metrics/eventLoopLag.js';
import heap from 'prom-client/lib/metrics/heapSizeAndUsed.js';
import memory from 'prom-client/lib/metrics/osMemoryHeap.js';
import maxFileDescriptors from 'prom-client/lib/metrics/processMaxFileDescriptors.js';
import openFileDescriptors from 'prom-client/lib/metrics/processOpenFileDescriptors.js';
import resources from 'prom-client/lib/metrics/processResources.js';
import startTime from 'prom-client/lib/metrics/processStartTime.js';

/**
 * Prom-client's metrics of the process (`process_*`, `nodejs_*`), one by one: all of them at once bring OpenTelemetry's API for the sake of
 * examplars, which takes 9 MB of memory. Those of the CPU, which need it, are made here.
 */
export function collectProcessMetrics(registry: Registry): void {
  for (const collect of [startTime, memory, openFileDescriptors, maxFileDescriptors, eventLoopLag, heap, resources])
    collect(registry);
  cpuSeconds(registry, 'process_cpu_user_seconds_total', 'User CPU time spent in seconds.', ({ user }) => user);
  cpuSeconds(registry, 'process_cpu_system_seconds_total', 'System CPU time spent in seconds.', ({ system }) => system);
  cpuSeconds(
    registry,
    'process_cpu_seconds_total',
    'User and system CPU time spent in seconds.',
    ({ user, system }) => user + system,
  );
}

function cpuSeconds(
  registry: Registry,
  name: string,
  help: string,
  microseconds: (usage: NodeJS.CpuUsage) => number,
): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(microseconds(process.cpuUsage()) / 1e6);
    },
  });
}
