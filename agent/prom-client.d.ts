// The parts of prom-client that are imported by file: its index loads OpenTelemetry's API, which takes 9 MB more (see process-metrics.ts).

declare module 'prom-client/lib/registry.js' {
  import { Registry } from 'prom-client';
  export default Registry;
}

declare module 'prom-client/lib/counter.js' {
  import { Counter } from 'prom-client';
  export default Counter;
}

declare module 'prom-client/lib/gauge.js' {
  import { Gauge } from 'prom-client';
  export default Gauge;
}

declare module 'prom-client/lib/histogram.js' {
  import { Histogram } from 'prom-client';
  export default Histogram;
}

declare module 'prom-client/lib/metrics/*.js' {
  import type { Registry } from 'prom-client';
  export default function collect(registry: Registry): void;
}
