import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { authenticate } from './callers.ts';
import { notFound } from './errors.ts';
import type { FaultRules, Misfortune } from './faults.ts';
import { errorAnswer, findRoute, readText, send, splitVersion, type Answer, type Call, type Route } from './http.ts';
import { readBody } from './input.ts';
import type { RequestLog, SeenRequest } from './requests.ts';
import type { State } from './state.ts';

export interface AnsweringOptions {
  readonly routes: readonly Route[];
  readonly state: State;
  readonly faults: FaultRules;
  readonly requests: RequestLog;
  /** The header that names a request; '' for none. */
  readonly requestIdHeader: string;
}

/** Answers requests: faults first, then who is asking, then what they ask for. Never rejects. */
export function createAnswering({ routes, state, faults, requests, requestIdHeader }: AnsweringOptions) {
  function requestIdOf({ headers }: IncomingMessage): string | undefined {
    if (requestIdHeader === '') return undefined;
    const given = headers[requestIdHeader.toLowerCase()];
    return typeof given === 'string' ? given : randomUUID();
  }

  async function answerOf(
    request: IncomingMessage,
    { method, path: whole, query }: SeenRequest,
    { answer, isRepeated, views }: Misfortune,
    over: AbortSignal,
  ): Promise<Answer> {
    try {
      const text = await readText(request);
      if (answer !== undefined) return answer;
      const { version, path } = splitVersion(whole);
      const found = findRoute(routes, method, path);
      if (found === undefined) throw notFound('404 page not found');
      const caller = authenticate(state, request.headers.authorization);
      const body = readBody(text, request.headers['content-type'] ?? '');
      const { params, route } = found;
      const { headers } = request;
      const requestId = requestIdOf(request);
      const call: Call = {
        ...{ method, version, params, query: new URLSearchParams(query), headers },
        ...{ body, caller, requestId, views, over },
      };
      if (isRepeated) await obey(route, call).catch(() => undefined);
      return await route.answer(call);
    } catch (error) {
      return errorAnswer(error);
    }
  }

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const over = new AbortController();
    response.once('close', () => {
      over.abort();
    });
    const { method = 'GET', url = '/' } = request;
    const [path = '/', query = ''] = url.split('?');
    const seen: SeenRequest = { method, path, query, at: new Date(), status: undefined };
    requests.add(seen);
    response.once('finish', () => (seen.status = response.statusCode));
    const misfortune = faults.meet(method, splitVersion(path).path);
    if (misfortune.delayMs > 0) {
      await sleep(misfortune.delayMs, undefined, { signal: over.signal }).catch(() => undefined);
    }
    if (misfortune.isDropped) {
      response.destroy();
      return;
    }
    await send(response, await answerOf(request, seen, misfortune, over.signal), misfortune.isCut);
  };
}

/** Does what is asked, and nobody sees the answer. */
async function obey(route: Route, call: Call): Promise<void> {
  const answer = await route.answer(call);
  if ('run' in answer) await answer.run({ header: () => undefined, write: () => undefined });
}
