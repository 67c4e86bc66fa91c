import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { authenticate } from './callers.ts';
import { notFound } from './errors.ts';
import type { FaultRules, Misfortune } from './faults.ts';
import { errorAnswer, findRoute, readText, send, splitVersion, type Answer, type Route } from './http.ts';
import { readBody } from './input.ts';
import type { RequestLog } from './requests.ts';
import type { State } from './state.ts';

export interface AnsweringOptions {
  readonly routes: readonly Route[];
  readonly state: State;
  readonly faults: FaultRules;
  readonly requests: RequestLog;
}

/** Answers requests: faults first, then who is asking, then what they ask for. */
export function createAnswering({ routes, state, faults, requests }: AnsweringOptions) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const over = new AbortController();
    response.once('close', () => {
      over.abort();
    });
    const { method = 'GET', url = '/' } = request;
    const { pathname, search, searchParams } = new URL(url, 'http://tsuru');
    const { version, path } = splitVersion(pathname);
    const seen = { method, path: pathname, query: search.slice(1), at: new Date(), status: undefined };
    requests.add(seen);
    response.once('finish', () => Object.assign(seen, { status: response.statusCode }));
    const misfortune = faults.meet(method, path);
    await sleep(misfortune.delayMs, undefined, { signal: over.signal }).catch(() => undefined);
    const answer = await answerOf(
      request,
      { method, path, version, query: searchParams, over: over.signal },
      misfortune,
    );
    await send(response, answer, misfortune.isCut);
  };

  async function answerOf(request: IncomingMessage, asked: Asked, { answer, views }: Misfortune): Promise<Answer> {
    try {
      const text = await readText(request);
      if (answer !== undefined) return answer;
      const found = findRoute(routes, asked.method, asked.path);
      if (found === undefined) throw notFound('404 page not found');
      const caller = authenticate(state, request.headers.authorization);
      const body = readBody(text, request.headers['content-type'] ?? '');
      const { version, query, over } = asked;
      return await found.route.answer({ version, params: found.params, query, body, caller, views, over });
    } catch (error) {
      return errorAnswer(error);
    }
  }
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly version: string;
  readonly query: URLSearchParams;
  readonly over: AbortSignal;
}
