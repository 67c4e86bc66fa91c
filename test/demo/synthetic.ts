// Units for larger worlds: servers inside the demo's own process, with the metrics that an app usually has.
import { httpUnit } from '../support/unit.ts';
import type { Image } from '../tsuru/images.ts';

/** Its name begins so. */
const SYNTHETIC = 'demo/synthetic:';
/** Handlers of each unit, and how many requests a second each has. */
const HANDLERS = { '/': 9, '/cart': 3, '/checkout': 1 } as const;
/** Of all requests. */
const ERROR_SHARE = 0.02;

export const SYNTHETIC_IMAGE = `${SYNTHETIC}1`;

/** Undefined: an image of another name. */
export function syntheticImage(name: string): Image | undefined {
  return name.startsWith(SYNTHETIC) ? { processes: { web: syntheticUnit } } : undefined;
}

const syntheticUnit = httpUnit(() => {
  const startedMs = performance.now();
  return (_request, response) => {
    const seconds = (performance.now() - startedMs) / 1000;
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(`${metricsAfter(seconds).join('\n')}\n`);
  };
});

function metricsAfter(seconds: number): readonly string[] {
  return [
    '# TYPE http_requests_total counter',
    ...Object.entries(HANDLERS).flatMap(([handler, rate]) => {
      const requests = rate * seconds;
      return [
        `http_requests_total{handler="${handler}",code="200"} ${Math.floor(requests * (1 - ERROR_SHARE))}`,
        `http_requests_total{handler="${handler}",code="500"} ${Math.floor(requests * ERROR_SHARE)}`,
      ];
    }),
  ];
}
