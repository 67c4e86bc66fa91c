import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** One address for several brokers, as a router of Tsuru's is: each connection goes to the next of them that takes it. */
export interface Balancer extends AsyncDisposable {
  readonly url: string;
}

export async function startBalancer(hosts: readonly string[], port: number): Promise<Balancer> {
  let turn = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    open.add(client);
    client.on('close', () => open.delete(client));
    client.on('error', () => client.destroy());
    const first = turn++;
    const tryNext = (attempt: number): void => {
      const host = hosts[(first + attempt) % hosts.length];
      if (host === undefined || attempt >= hosts.length || client.destroyed) {
        client.destroy();
        return;
      }
      let isConnected = false;
      const upstream = connect({ host, port }, () => {
        isConnected = true;
        client.pipe(upstream).pipe(client);
      });
      client.on('close', () => upstream.destroy());
      upstream.on('error', () => {
        if (isConnected) client.destroy();
        else tryNext(attempt + 1);
      });
    };
    tryNext(0);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
