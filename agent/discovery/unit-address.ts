import { isIP, isIPv6 } from 'node:net';
import type { AppDetails, Port, Unit } from './known-apps.ts';

/** The port that Tsuru gives a process which names none. */
export const TSURU_PORT = 8888;

/** Where a unit is scraped, or why it cannot be. */
export type UnitAddress =
  | { readonly kind: 'address'; readonly address: string; readonly fromAnnotation: boolean }
  | { readonly kind: 'none'; readonly reason: 'no_address' | 'no_port'; readonly text: string };

/**
 * A unit's address: its pod's own IP with the annotated port, else with its process' TCP port. Old provisioners give `host:port` instead,
 * where the port is mapped to the process by the host.
 */
export function addressOf(unit: Unit, details: AppDetails | undefined, annotatedPort: number | undefined): UnitAddress {
  if (unit.internalIp === '') return oldAddressOf(unit, annotatedPort);
  if (isIP(unit.internalIp) === 0 || unit.internalIp.includes('%')) {
    return { kind: 'none', reason: 'no_address', text: `its address "${unit.internalIp}" is not an IP address` };
  }
  const port = annotatedPort ?? portOf(unit, details?.ports ?? []);
  if (port === undefined) return { kind: 'none', reason: 'no_port', text: whyNoPort(unit, details) };
  return { kind: 'address', address: joinHostPort(unit.internalIp, port), fromAnnotation: annotatedPort !== undefined };
}

function oldAddressOf(unit: Unit, annotatedPort: number | undefined): UnitAddress {
  if (unit.hostPort === '') return { kind: 'none', reason: 'no_address', text: 'it has no address (yet)' };
  const { host, port } = splitHostPort(unit.hostPort);
  const effective = annotatedPort ?? port;
  if (host === undefined) {
    return { kind: 'none', reason: 'no_address', text: `its address "${unit.hostPort}" is not one of a host` };
  }
  if (effective === undefined) {
    return { kind: 'none', reason: 'no_port', text: `its address "${unit.hostPort}" has no port` };
  }
  return { kind: 'address', address: joinHostPort(host, effective), fromAnnotation: annotatedPort !== undefined };
}

/** The process' TCP port: of the unit's own version if Tsuru tells versions apart, 8888 if there are several, else the lowest. */
function portOf(unit: Unit, ports: readonly Port[]): number | undefined {
  const open = ports.filter(
    ({ process, protocol, targetPort }) =>
      process === unit.process && protocol.toUpperCase() === 'TCP' && isPort(targetPort),
  );
  const own = open.filter(({ version }) => version === unit.version);
  const common = open.filter(({ version }) => version === '');
  const preferred = own.length > 0 ? own : common.length > 0 ? common : open;
  const numbers = preferred.map(({ targetPort }) => targetPort);
  if (numbers.includes(TSURU_PORT)) return TSURU_PORT;
  return numbers.length === 0 ? undefined : numbers.reduce((lowest, number) => Math.min(lowest, number));
}

function whyNoPort(unit: Unit, details: AppDetails | undefined): string {
  if (details === undefined) return 'Tsuru has not listed the ports of the app yet';
  if (details.ports.length === 0) return 'Tsuru lists no ports of the app yet: it adds them when the units are ready';
  return `the process ${unit.process} listens on no TCP port`;
}

function isPort(number: number): boolean {
  return Number.isInteger(number) && number >= 1 && number <= 65_535;
}

function joinHostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

function splitHostPort(text: string): { host?: string; port?: number } {
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = parts?.[1] ?? parts?.[2] ?? (isIPv6(text) ? text : undefined);
  if (host === undefined || (isIP(host) === 0 && !/^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?$/.test(host)))
    return {};
  const port = Number(parts?.[3] ?? 0);
  return { host, ...(isPort(port) ? { port } : {}) };
}
