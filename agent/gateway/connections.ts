import type { Socket } from 'node:net';

export interface Connections {
  /** Counts a new connection. When there are too many, the oldest unprotected one is closed. */
  readonly add: (socket: Socket) => void;
  /** Protects a connection from being closed for others: its last request had the password, or it is a health check under way. */
  readonly protect: (socket: Socket) => void;
  /** Lets a connection be closed when there are too many. */
  readonly expose: (socket: Socket) => void;
}

export interface ConnectionsOptions {
  readonly most: number;
  /** Fewer than `most`: the rest is for connections without a password, such as health checks. */
  readonly mostProtected: number;
  readonly onClosed: () => void;
}

/**
 * Bounds the connections of a port on which everybody may open some. Those who come are never turned away, since among them are health
 * checks: instead, whoever has been there for longest without a password gives way.
 */
export function createConnections({ most, mostProtected, onClosed }: ConnectionsOptions): Connections {
  /** In the order in which they came, or lost their protection. */
  const exposed = new Set<Socket>();
  const protectedOnes = new Set<Socket>();

  return {
    add(socket) {
      exposed.add(socket);
      socket.once('close', () => {
        exposed.delete(socket);
        protectedOnes.delete(socket);
      });
      if (exposed.size + protectedOnes.size <= most) return;
      const [oldest] = exposed;
      if (oldest === undefined) return;
      exposed.delete(oldest);
      // A reset leaves nothing behind in the kernel.
      oldest.resetAndDestroy();
      onClosed();
    },
    protect(socket) {
      if (socket.destroyed || protectedOnes.size >= mostProtected) return;
      exposed.delete(socket);
      protectedOnes.add(socket);
    },
    expose(socket) {
      if (protectedOnes.delete(socket)) exposed.add(socket);
    },
  };
}
