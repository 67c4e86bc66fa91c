import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';

/** A port that can be closed for a while, as when nothing listens there any more. */
export interface Listener {
  readonly url: string;
  /** Breaks all connections; safe to call twice. */
  stopListening(): Promise<void>;
  /** On the same port as before. */
  listenAgain(): Promise<void>;
}

const HOST = '127.0.0.1';
/** tsurud closes no idle connection; Node would after 5 s, which is how often a client may poll. */
const KEEP_ALIVE_MS = 300_000;

export async function listen(port: number, onRequest: RequestListener): Promise<Listener> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, onRequest);

  async function open(wanted: number): Promise<number> {
    server.listen(wanted, HOST);
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a server on TCP has a port');
    return address.port;
  }

  const opened = await open(port);
  return {
    url: `http://${HOST}:${opened}`,
    stopListening: async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
    listenAgain: async () => {
      if (!server.listening) await open(opened);
    },
  };
}
