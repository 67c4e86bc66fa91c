import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { shuffledDeep } from '../support/shuffled.ts';
import type { Caller } from './callers.ts';
import { TsuruError } from './errors.ts';
import type { Views } from './faults.ts';
import { goJson } from './go.ts';
import type { Body } from './input.ts';

/** A request of someone who may be here; what they may do is for the route to check. */
export interface Call {
  readonly method: string;
  /** The API version of the path, '1.0' where it had none. */
  readonly version: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Body;
  readonly caller: Caller;
  readonly headers: IncomingHttpHeaders;
  /** Undefined unless Tsuru is set up to name requests. */
  readonly requestId: string | undefined;
  /** What faults hide from this call. */
  readonly views: Views;
  /** Aborted when the answer was sent, or the client hung up. */
  readonly over: AbortSignal;
}

export type Answer = WholeAnswer | StreamAnswer;

export interface WholeAnswer {
  readonly status: number;
  readonly contentType?: string;
  readonly body: string;
}

/** Written bit by bit with status 200; an error before the first write is an ordinary error answer. */
export interface StreamAnswer {
  readonly contentType: string;
  readonly run: (output: Output) => Promise<void>;
}

export interface Output {
  /** Only before the first write. */
  header(name: string, value: string): void;
  /** Ignored when the client hung up. */
  write(text: string): void;
}

export interface Route {
  /** 'GET'; '*' for any. */
  readonly method: string;
  /** '/apps/:app/units'; a part such as '*path' at the end is all that follows. */
  readonly path: string;
  readonly answer: (call: Call) => Answer | Promise<Answer>;
}

export const TEXT = 'text/plain; charset=utf-8';
export const JSON_STREAM = 'application/x-json-stream';

export const OK: WholeAnswer = { status: 200, body: '' };
export const CREATED: WholeAnswer = { status: 201, body: '' };
const NO_CONTENT: WholeAnswer = { status: 204, body: '' };

/** Tsuru sorts no list but that of events, so every list is in another order each time. */
export function json(value: unknown, status = 200): WholeAnswer {
  return sortedJson(shuffledDeep(value), status);
}

/** JSON with its lists as they are. */
export function sortedJson(value: unknown, status = 200): WholeAnswer {
  return { status, contentType: 'application/json', body: goJson(value) };
}

/** Lists with nothing in them are answered without a body. */
export function list(values: readonly unknown[]): WholeAnswer {
  return values.length === 0 ? NO_CONTENT : json(values);
}

export function sortedList(values: readonly unknown[]): WholeAnswer {
  return values.length === 0 ? NO_CONTENT : sortedJson(values);
}

export function errorAnswer(error: unknown): WholeAnswer {
  return { status: error instanceof TsuruError ? error.status : 500, contentType: TEXT, body: `${messageOf(error)}\n` };
}

/** '/1.0/apps/my-app' is '/apps/my-app' of version 1.0. */
export function splitVersion(path: string): { readonly version: string; readonly path: string } {
  const [, version, rest] = /^\/(\d+\.\d+)(\/.*)$/.exec(path) ?? [];
  return { version: version ?? '1.0', path: rest ?? path };
}

/** The route of a path, with what stands for its parameters. */
export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly route: Route; readonly params: Readonly<Record<string, string>> } | undefined {
  for (const route of routes) {
    const params = [method, '*'].includes(route.method) ? paramsOf(route.path, path) : undefined;
    if (params !== undefined) return { route, params };
  }
  return undefined;
}

export async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Sends an answer; one that is cut ends in its middle, with the connection. */
export async function send(response: ServerResponse, answer: Answer, cut: boolean): Promise<void> {
  if ('status' in answer) {
    sendWhole(response, answer, cut);
    return;
  }
  response.setHeader('Content-Type', answer.contentType);
  const output: Output = {
    header: (name, value) => response.setHeader(name, value),
    write: (text) => {
      response.write(text, () => {
        if (cut) response.destroy();
      });
    },
  };
  try {
    await answer.run(output);
    if (cut) response.destroy();
    else response.end();
  } catch (error) {
    if (!response.headersSent) {
      sendWhole(response, errorAnswer(error), cut);
      return;
    }
    const isJson = answer.contentType === JSON_STREAM;
    response.end(isJson ? messageJson('', messageOf(error)) : `${messageOf(error)}\n`);
  }
}

/** A line of a JSON stream. */
export function messageJson(message: string, error?: string): string {
  return goJson({
    Message: message,
    Timestamp: new Date().toISOString(),
    ...(error === undefined ? {} : { Error: error }),
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function sendWhole(response: ServerResponse, { status, contentType, body }: WholeAnswer, cut: boolean): void {
  if (contentType === undefined) response.removeHeader('Content-Type');
  else response.setHeader('Content-Type', contentType);
  response.statusCode = status;
  if (!cut) {
    response.end(body);
    return;
  }
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.write(body.slice(0, body.length / 2), () => {
    response.destroy();
  });
}

function paramsOf(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  const last = wanted.at(-1) ?? '';
  const takesRest = last.startsWith('*') && given.length >= wanted.length;
  if (wanted.length !== given.length && !takesRest) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const value = given[i] ?? '';
    if (part.startsWith('*') && takesRest) params[part.slice(1)] = given.slice(i).join('/');
    else if (part.startsWith(':') && value !== '') params[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return undefined;
  }
  return params;
}
