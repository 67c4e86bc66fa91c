import { once } from 'node:events';
import { createServer } from 'node:net';

/** The preferred port of 127.0.0.1 if nobody listens there, else one that is free. */
export async function freePort(preferred: number): Promise<number> {
  const probe = createServer();
  for (const port of [preferred, 0]) {
    probe.listen(port, '127.0.0.1');
    const isOpen = await Promise.race([
      once(probe, 'listening').then(
        () => true,
        () => false,
      ),
      once(probe, 'error').then(() => false),
    ]);
    if (!isOpen) continue;
    const address = probe.address();
    probe.close();
    await once(probe, 'close');
    if (address !== null && typeof address !== 'string') return address.port;
  }
  throw new Error('no port of 127.0.0.1 is free');
}
