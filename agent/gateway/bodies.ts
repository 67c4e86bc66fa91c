import type { IncomingMessage, ServerResponse } from 'node:http';

/** A body in memory, or the reason without one: `left` if the client has gone. */
export type Body =
  { readonly kind: 'whole'; readonly bytes: Buffer } | { readonly kind: 'too_large' | 'no_capacity' | 'left' };

export interface Bodies {
  /** Reads the body of a request to its end. It counts as held until the response is closed. */
  read(request: IncomingMessage, response: ServerResponse): Promise<Body>;
}

export interface BodiesOptions {
  readonly mostBytes: number;
  /** Of all bodies that are held at once. */
  readonly mostBytesTogether: number;
}

/**
 * Reads bodies before anything is done for them, so that a client that sends slowly takes nothing but memory. When that runs out, the
 * oldest incomplete body is dropped.
 */
export function createBodies({ mostBytes, mostBytesTogether }: BodiesOptions): Bodies {
  const arriving = new Set<(body: Body) => void>();
  let heldBytes = 0;

  return {
    read(request, response) {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const take = (change: number): void => {
        bytes += change;
        heldBytes += change;
      };
      response.once('close', () => {
        take(-bytes);
      });
      return new Promise((resolve) => {
        const end = (body: Body): void => {
          if (!arriving.delete(end)) return;
          request.off('data', onData);
          if (body.kind !== 'whole') {
            chunks.length = 0;
            take(-bytes);
          }
          resolve(body);
        };
        const onData = (chunk: Buffer): void => {
          if (bytes + chunk.length > mostBytes) {
            end({ kind: 'too_large' });
            return;
          }
          chunks.push(chunk);
          take(chunk.length);
          for (const giveWay of arriving) {
            if (heldBytes <= mostBytesTogether) return;
            giveWay({ kind: 'no_capacity' });
          }
        };
        arriving.add(end);
        request.on('data', onData);
        request.once('end', () => {
          end({ kind: 'whole', bytes: Buffer.concat(chunks) });
        });
        request.once('close', () => {
          end({ kind: 'left' });
        });
      });
    },
  };
}
