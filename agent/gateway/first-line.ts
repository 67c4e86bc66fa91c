import type { Socket } from 'node:net';

const LINE_FEED = 0x0a;
const FIRST_NON_ASCII = 0x80;

/** The first lines of the requests of a connection. */
export interface FirstLines {
  /** The last request and its answer have ended: what comes next is a first line. */
  readonly next: () => void;
}

/**
 * Percent-encodes the bytes of first lines that are not ASCII, as Node's parser refuses a URL with such bytes, which Prometheus reads. To be
 * called once the HTTP server has the connection. A line that comes with the end of another request is left as it is, and refused.
 */
export function encodeFirstLines(socket: Socket): FirstLines {
  let isFirstLine = true;
  const push = socket.push.bind(socket);
  socket.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (!isFirstLine || !(chunk instanceof Buffer)) return push(chunk, encoding);
    const end = chunk.indexOf(LINE_FEED);
    isFirstLine = end === -1;
    return push(encoded(chunk, end === -1 ? chunk.length : end), encoding);
  };
  // With another listener, Node's parser takes what is pushed instead of reading from the kernel.
  socket.on('data', () => undefined);
  return {
    next() {
      isFirstLine = true;
    },
  };
}

function encoded(chunk: Buffer, end: number): Buffer {
  const line = chunk.subarray(0, end);
  if (line.every((byte) => byte < FIRST_NON_ASCII)) return chunk;
  // In small letters, as Prometheus writes them in a redirect.
  const plain = line.toString('latin1').replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
  return Buffer.concat([Buffer.from(plain, 'latin1'), chunk.subarray(end)]);
}
