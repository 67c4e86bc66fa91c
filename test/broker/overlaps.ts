// Stands between a broker and Tsuru, and sees which of its requests are under way at once.
import { buffer } from 'node:stream/consumers';
import { startRelay, type Relay } from './relay.ts';

export interface Overlaps extends Relay {
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

  const relay = await startRelay(target, async (request, response, forward) => {
    const { method = '', url = '' } = request;
    const own: Seen = { asked: `${method} ${url.replace(/\?.*/, '')}`, begun: moment++, ended: Infinity };
    seen.push(own);
    const body = await buffer(request);
    if (held?.like.test(own.asked) === true) await held.over;
    forward(body, (answer) => {
      // Before the broker can know of it.
      answer.on('end', () => {
        own.ended = moment++;
      });
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
  });
  return {
    url: relay.url,
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
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}
