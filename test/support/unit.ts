import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import type { InProcess } from '../tsuru/images.ts';

/** What a unit knows of itself. */
type Unit = Parameters<InProcess>[0];

/** A unit of this process that answers as the listener does; cheap, so that tests may have many. */
export function httpUnit(listenerOf: (unit: Unit) => RequestListener): InProcess {
  return async (unit) => {
    const server = createServer(listenerOf(unit));
    server.listen(unit.port, unit.host);
    await once(server, 'listening');
    return {
      async close() {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      },
    };
  };
}
