import { metricsUnit } from '../support/world.ts';
import type { Image, InProcess } from '../tsuru/images.ts';

/** A unit that ends as soon as it has started. */
const crashing: InProcess = () => Promise.reject(new Error('exitCode: 1'));

const TCP = { protocol: 'TCP' } as const;
const UDP = { protocol: 'UDP' } as const;

/** The images that are deployed, by the word in front of the colon of their name: units that are up, down, and without a port. */
const IMAGES: Readonly<Record<string, Image>> = {
  up: { processes: { web: metricsUnit } },
  'up-port9100': { exposes: 9100, processes: { web: metricsUnit } },
  'up-port9200': { exposes: 9200, processes: { web: metricsUnit } },
  silent: { processes: { web: 'nothing' } },
  worker: { processes: { web: metricsUnit, worker: 'nothing' } },
  'worker-port7000': { exposes: 7000, processes: { web: metricsUnit, worker: metricsUnit } },
  'several-ports': {
    processes: { web: metricsUnit },
    ports: {
      web: [
        { port: 9300, ...TCP },
        { port: 9250, ...TCP },
      ],
    },
  },
  'several-with-8888': {
    processes: { web: metricsUnit },
    ports: {
      web: [
        { port: 7100, ...TCP },
        { port: 8888, ...TCP },
      ],
    },
  },
  'udp-worker': { processes: { web: metricsUnit, worker: 'nothing' }, ports: { worker: [{ port: 5300, ...UDP }] } },
  'portless-worker': { processes: { web: metricsUnit, worker: 'nothing' }, ports: { worker: [] } },
};

/** Images whose deploy fails: one cannot be pulled, the units of the other never get ready. */
const BROKEN: Readonly<Record<string, Image | undefined>> = {
  missing: undefined,
  broken: { processes: { web: crashing } },
};

export const IMAGE_NAMES = Object.keys(IMAGES);
export const BROKEN_NAMES = Object.keys(BROKEN);

/** What an image is called that can be deployed: `up:7`. */
export function soakImages(name: string): Image | undefined {
  const [kind = ''] = name.split(':');
  return IMAGES[kind] ?? BROKEN[kind];
}

/** The processes that an image starts. */
export function processesOf(kind: string): readonly string[] {
  return Object.keys(IMAGES[kind]?.processes ?? {});
}
