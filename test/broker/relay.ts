// What stands between a broker and Tsuru, and hands on what it is asked.
import { once } from 'node:events';
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Asks Tsuru the same, with the body that was read meanwhile. */
export type Forward = (body: Buffer, answered: (answer: IncomingMessage) => void) => void;

export interface Relay extends AsyncDisposable {
  readonly url: string;
}

export async function startRelay(
  target: string,
  relay: (request: IncomingMessage, response: ServerResponse, forward: Forward) => Promise<void>,
): Promise<Relay> {
  const server = createServer((request, response) => {
    const { method, url = '', headers } = request;
    const forward: Forward = (body, answered) => {
      const upstream = ask(new URL(url, target), { method, headers, agent: false }, answered);
      upstream.on('error', () => response.destroy());
      upstream.end(body);
    };
    relay(request, response, forward).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
