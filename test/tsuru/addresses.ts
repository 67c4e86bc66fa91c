import { createServer, type Server } from 'node:net';
import { once } from 'node:events';

/**
 * Loopback addresses for units. Several local Tsurus may run on one machine (parallel tests), so each claims whole /24
 * blocks of 127.1.0.0/16 by listening on a port of the block's last address: the kernel allows that once.
 */
export interface Addresses {
  /** An address that no other unit on this machine has. */
  take(): Promise<string>;
  /** Gives an address back; it is used again only when the block's other addresses have been. */
  release(address: string): void;
  close(): Promise<void>;
}

/** The port that marks a block as taken: below the kernel's own choice of ports, and no unit's. */
const CLAIM_PORT = 8887;
const BLOCKS = 256;
const LAST_HOST = 254;

export function createAddresses(): Addresses {
  const claims: Server[] = [];
  const free: string[] = [];
  let claiming: Promise<void> | undefined;

  async function claimBlock(): Promise<void> {
    const first = Math.floor(Math.random() * BLOCKS);
    for (let i = 0; i < BLOCKS; i++) {
      const block = `127.1.${(first + i) % BLOCKS}`;
      const claim = await listen(`${block}.255`);
      if (claim === undefined) continue;
      claims.push(claim);
      for (let host = 1; host <= LAST_HOST; host++) free.push(`${block}.${host}`);
      return;
    }
    throw new Error('no free addresses in 127.1.0.0/16: too many local Tsurus or units run on this machine');
  }

  return {
    async take() {
      for (;;) {
        const address = free.shift();
        if (address !== undefined) return address;
        claiming ??= claimBlock().finally(() => (claiming = undefined));
        await claiming;
      }
    },
    release(address) {
      free.push(address);
    },
    async close() {
      await Promise.all(claims.map((claim) => new Promise((done) => claim.close(done))));
    },
  };
}

/** Undefined when somebody else has the block. */
async function listen(host: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  server.listen({ host, port: CLAIM_PORT, exclusive: true });
  try {
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}
