// Stands between a broker and Tsuru, and fails one request: whichever it is, in whichever way.
import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { startRelay, type Relay } from './relay.ts';

/** Tsuru never gets the request that is refused or lost; it has obeyed the one whose answer is lost, or is another than its own. */
export const FAILURES = ['refused', 'request lost', 'answer lost', 'obeyed, but 500', 'obeyed, but 504'] as const;
/** Locked: somebody else's change is under way, for a few tries; only changes meet that. An answer that hangs has begun. */
export type Failure = (typeof FAILURES)[number] | 'locked' | 'answer hangs';

const LOCKED_TRIES = 3;
const LOCKED = 'event locked: app(x) running "app.update" start by user a at 2026-11-23T04:16:49Z\n';

export interface Between extends Relay {
  /** Fails the request that comes after this many others from now on, of those whose path is like this. */
  fail(after: number, failure: Failure, path?: RegExp): void;
  /** `GET /1.0/apps/my-app`: the request that has failed; undefined while none has. */
  readonly failed: string | undefined;
}

export async function standBetween(target: string): Promise<Between> {
  let toCome: { after: number; readonly failure: Failure; readonly path: RegExp } | undefined;
  let failed: string | undefined;
  /** How many tries more are refused of the change that is locked. */
  let lockedTries = 0;

  function failureOf({ method = '', url = '' }: IncomingMessage): Failure | undefined {
    const asked = `${method} ${url}`;
    if (lockedTries > 0 && asked === failed) {
      lockedTries -= 1;
      return 'locked';
    }
    if (toCome?.path.test(url) !== true || toCome.after-- > 0) return undefined;
    const { failure } = toCome;
    toCome = undefined;
    failed = asked;
    if (failure !== 'locked') return failure;
    if (method === 'GET') return undefined;
    lockedTries = LOCKED_TRIES - 1;
    return failure;
  }

  const relay = await startRelay(target, async (request, response, forward) => {
    const failure = failureOf(request);
    const body = await buffer(request);
    if (failure === 'request lost') return void response.destroy();
    if (failure === 'refused') return void response.writeHead(500).end('the database is away\n');
    if (failure === 'locked') return void response.writeHead(500).end(LOCKED);
    forward(body, (answer) => {
      if (failure === 'answer lost') {
        answer.resume().on('end', () => response.destroy());
        return;
      }
      if (failure === 'obeyed, but 500' || failure === 'obeyed, but 504') {
        answer.resume().on('end', () => response.writeHead(Number(failure.slice(-3))).end('the router is away\n'));
        return;
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      if (failure === 'answer hangs') {
        response.flushHeaders();
        answer.resume();
      } else answer.pipe(response);
    });
  });
  return {
    url: relay.url,
    fail(after, failure, path = /^/) {
      failed = undefined;
      toCome = { after, failure, path };
    },
    get failed() {
      return failed;
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}
