// Ports are not on the units: Tsuru tells them by process, and last of all in a rollout.
import { DEFAULT_PORT, type Image, type Port } from './images.ts';
import type { App, InternalAddress } from './state.ts';

export function portsOf(image: Image, process: string): readonly Port[] {
  return image.ports?.[process] ?? [{ port: image.exposes ?? DEFAULT_PORT, protocol: 'TCP' }];
}

/** Those of the version that gets traffic, and of every version by itself when there are several. */
export function internalAddresses({ name, versions }: App): InternalAddress[] {
  const [main] = versions;
  if (main === undefined) return [];
  const several = versions.length > 1 ? versions : [];
  return [
    ...addressesOf(name, main.image, ''),
    ...several.flatMap(({ image, number }) => addressesOf(name, image, String(number))),
  ];
}

function addressesOf(app: string, image: Image, version: string): InternalAddress[] {
  const suffix = version === '' ? '' : `-v${version}`;
  return Object.keys(image.processes)
    .sort()
    .flatMap((process) =>
      portsOf(image, process).map(({ port, protocol }) => ({
        Domain: `${app}-${process}${suffix}.tsuru.svc.cluster.local`,
        Protocol: protocol,
        Port: port,
        TargetPort: port,
        Version: version,
        Process: process,
      })),
    );
}
