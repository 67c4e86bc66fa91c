import { connect } from 'node:net';
import { errorText } from '../shared/text.ts';

/** An Alertmanager that needs longer loses alerts: Prometheus gives it 10 s for all. */
const LIMIT_MS = 5_000;
const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Why nothing listens at a URL; undefined when something does, or that is unknown. It connects and sends nothing. */
export type Probe = (url: string) => Promise<string | undefined>;

/** Of the Alertmanagers of the settings only: one of the base may have a proxy. */
export function createProbe(urls: () => readonly string[]): Probe {
  return async (url) => {
    const host = URL.parse(url)?.host;
    return urls().some((one) => URL.parse(one)?.host === host) ? connectTo(url) : undefined;
  };
}

function connectTo(url: string): Promise<string | undefined> {
  const { hostname = '', port = '', protocol = '' } = URL.parse(url) ?? {};
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (PORTS[protocol] ?? 80) : Number(port),
    timeout: LIMIT_MS,
  });
  socket.once('connect', () => {
    resolve(undefined);
  });
  socket.once('timeout', () => {
    resolve(`no connection within ${LIMIT_MS / 1000} s`);
  });
  // Addresses that all refuse are one error without a message.
  socket.once('error', (error) => {
    resolve(error instanceof AggregateError ? error.errors.map(errorText).join(', ') : errorText(error));
  });
  return promise.finally(() => socket.destroy());
}
