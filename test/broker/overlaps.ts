// Stands between a broker and Tsuru, and sees which of its requests are under way at once.
import { once } from 'node:events';
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface Overlaps extends AsyncDisposable {
  readonly url: string;
  /** `PUT /1.0/apps/my-app`: what was asked until now, in order. */
  asked(): readonly string[];
  /** Keeps requests like this from Tsuru until the end of it. */
  hold(like: RegExp): () => void;
  /** Pairs of requests like this that were under way at once. */
  overlaps(like: RegExp): readonly string[];
}

/** A request, and the moments at which it began and ended, in no unit: a later one is larger. */
interface Seen {
  readonly asked: string;
  readonly begun: number;
  ended: number;
}

export async function watchOverlaps(target: string): Promise<Overlaps> {
  const seen: Seen[] = [];
  let moment = 0;
  let held: { readonly like: RegExp; readonly over: Promise<undefined> } | undefined;

  async function relay(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const own: Seen = { asked: `${method} ${url.replace(/\?.*/, '')}`, begun: moment++, ended: Infinity };
    seen.push(own);
    const body = await buffer(request);
    if (held?.like.test(own.asked) === true) await held.over;
    const upstream = ask(new URL(url, target), { method, headers, agent: false }, (answer) => {
      // Before the broker can know of it.
      answer.on('end', () => {
        own.ended = moment++;
      });
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    upstream.on('error', () => response.destroy());
    upstream.end(body);
  }

  const server = createServer((request, response) => {
    relay(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => seen.map(({ asked }) => asked),
    hold(like) {
      const { promise: over, resolve } = Promise.withResolvers<undefined>();
      held = { like, over };
      return () => {
        held = undefined;
        resolve(undefined);
      };
    },
    overlaps(like) {
      const found = seen.filter(({ asked }) => like.test(asked));
      return found.flatMap((one, index) =>
        found.slice(index + 1).flatMap(({ asked, begun }) => (begun < one.ended ? [`${one.asked} | ${asked}`] : [])),
      );
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
