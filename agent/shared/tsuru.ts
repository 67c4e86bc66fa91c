import { randomUUID } from 'node:crypto';
import { isRedirect, plainAdvice, redirectAdvice, tlsAdvice } from './advice.ts';
import { createHttpClient, httpFailure, type HttpAnswer, type HttpRequest } from './http.ts';
import { withoutSecrets } from './log.ts';
import { errorText, shortLine } from './text.ts';
import { USER_AGENT } from './version.ts';

/** The longest wait for an answer: listing apps, Tsuru itself may wait 10 s for each cluster that does not answer. */
const REQUEST_TIMEOUT_MS = 30_000;
/** The longest wait for a connection, well inside the request's own. */
const CONNECT_TIMEOUT_MS = 10_000;
/** The largest answer that is read: about ten times 10,000 units, so what is larger is no list of apps. */
const LARGEST_ANSWER_BYTES = 64 * 1024 * 1024;
/** What the agent asks at once: a list and a few apps. */
const CONNECTIONS = 6;
/** How much of an error's body is quoted. */
const QUOTED_CHARACTERS = 300;

/** Why a call failed, as metrics name it. */
export const TSURU_FAILURES = [
  'unauthorized',
  'forbidden',
  'not_found',
  'redirected',
  'refused',
  'server_error',
  'timeout',
  'network',
  'too_large',
  'bad_answer',
] as const;
export type TsuruFailure = (typeof TSURU_FAILURES)[number];

/** A call to Tsuru that failed. Its message says which, why, and the request id under which Tsuru logged it; never the token. */
export class TsuruError extends Error {
  override readonly name = 'TsuruError';
  readonly failure: TsuruFailure;
  /** Its name in metrics; '' where it is not known. */
  readonly call: string;
  readonly status: number | undefined;
  readonly requestId: string;
  /** The start of Tsuru's message on one line; of a redirect what to do about it; '' where there are none. */
  readonly words: string;

  constructor(
    failure: TsuruFailure,
    message: string,
    details: { requestId: string; call?: string; status?: number; words?: string; cause?: unknown },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.failure = failure;
    this.call = details.call ?? '';
    this.status = details.status;
    this.requestId = details.requestId;
    this.words = details.words ?? '';
  }
}

export interface TsuruAnswer extends HttpAnswer {
  /** 2xx. */
  readonly status: number;
  readonly requestId: string;
}

export interface TsuruRequest {
  readonly method: HttpRequest['method'];
  readonly path: string;
  readonly body?: TsuruBody;
  /** The longest wait for the whole answer; without it that of a `get`. */
  readonly timeoutMs?: number;
  /** The longest silence, before the answer begins or within it; without it the same. */
  readonly quietMs?: number;
  readonly onHeaders?: HttpRequest['onHeaders'];
}

export type TsuruBody = { readonly form: Readonly<Record<string, string>> } | { readonly json: unknown };

export interface TsuruClient {
  /**
   * `GET` of a path such as `/1.0/apps?extended=true`. `call` is its name in metrics and errors.
   * @throws {TsuruError} for everything but a whole 2xx answer; the signal's reason when the signal aborts it.
   */
  get(call: string, path: string, signal: AbortSignal): Promise<TsuruAnswer>;
  close(): Promise<void>;
}

/** The broker changes things, too; the agent only reads. */
export interface TsuruWriter extends TsuruClient {
  /** Any request, on the terms of `get`. */
  send(call: string, request: TsuruRequest, signal: AbortSignal): Promise<TsuruAnswer>;
  /** The start of Tsuru's message on one line, without the token. */
  readonly quote: (words: string) => string;
}

export interface TsuruClientOptions {
  /** Tsuru's address, such as `https://tsuru.example.com`. */
  readonly url: URL;
  /** A function where it may change. */
  readonly token: string | (() => string);
  /** Told of each call once it has ended: the status, or the failure where there was none. */
  readonly onCall?: (call: string, status: string) => void;
  /** For calls without a time of their own; more of them at once wait for each other. */
  readonly connections?: number;
}

/** Tsuru's API over kept-alive connections, with a limit on the time and size of each answer. Redirects are not followed. */
export function createTsuruClient(options: TsuruClientOptions): TsuruWriter {
  const { url, onCall, connections = CONNECTIONS } = options;
  const tokenNow = (): string => (typeof options.token === 'string' ? options.token : options.token());
  const limits = {
    url,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    answerTimeoutMs: REQUEST_TIMEOUT_MS,
    largestAnswerBytes: LARGEST_ANSWER_BYTES,
  };
  const quick = createHttpClient({ ...limits, connections });
  // A deploy holds its connection for minutes: no other call may wait for it.
  const long = createHttpClient({ ...limits, connections: null });

  async function send(call: string, request: TsuruRequest, signal: AbortSignal): Promise<TsuruAnswer> {
    const { method, path, body, timeoutMs = REQUEST_TIMEOUT_MS, quietMs = timeoutMs, onHeaders } = request;
    const requestId = randomUUID();
    const token = tokenNow();
    const http = request.timeoutMs === undefined ? quick : long;
    let answer: HttpAnswer;
    let location: string | undefined;
    try {
      answer = await http.request({
        method,
        path,
        headers: {
          accept: 'application/json',
          authorization: `bearer ${token}`,
          'user-agent': USER_AGENT,
          'x-request-id': requestId,
          ...(body === undefined ? {} : { 'content-type': 'json' in body ? JSON_TYPE : FORM_TYPE }),
        },
        ...(body === undefined ? {} : { body: encoded(body) }),
        onHeaders(status, headers) {
          location = headers['location']?.toString();
          onHeaders?.(status, headers);
        },
        answerTimeoutMs: quietMs,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const failure = httpFailure(error);
      onCall?.(call, failure);
      throw new TsuruError(
        failure,
        `${call}: ${wordsOf(failure, error, quietMs)}${adviceText(tlsAdvice(url, codeOf(error)))}`,
        { requestId, call, cause: error },
      );
    }
    onCall?.(call, String(answer.status));
    const { status, chunks } = answer;
    if (status >= 200 && status < 300) return { ...answer, requestId };
    if (isRedirect(status)) {
      const words = quote(redirectAdvice(url, path, location), token);
      throw new TsuruError(
        'redirected',
        `${call}: Tsuru answered ${status}, a redirect that is not followed: ${words}`,
        {
          ...{ requestId, call, status, words },
        },
      );
    }
    const words = quote(Buffer.concat(chunks).toString('utf8', 0, QUOTED_CHARACTERS * 4), token);
    const said = words === '' ? '' : `: ${words}`;
    const advice = adviceText(plainAdvice(url, status, words));
    throw new TsuruError(failureOfStatus(status), `${call}: Tsuru answered ${status}${said}${advice}`, {
      ...{ requestId, call, status, words },
    });
  }

  function get(call: string, path: string, signal: AbortSignal): Promise<TsuruAnswer> {
    return send(call, { method: 'GET', path }, signal);
  }

  return {
    ...{ get, send },
    quote: (words) => quote(words, tokenNow()),
    async close() {
      await Promise.all([quick.close(), long.close()]);
    },
  };
}

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';

function encoded(body: TsuruBody): string {
  return 'json' in body ? JSON.stringify(body.json) : new URLSearchParams(body.form).toString();
}

function failureOfStatus(status: number): TsuruFailure {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not_found';
  return status >= 500 ? 'server_error' : 'refused';
}

function wordsOf(failure: TsuruFailure, error: unknown, quietMs: number): string {
  if (failure === 'too_large') return `Tsuru's answer is larger than ${LARGEST_ANSWER_BYTES / 1024 ** 2} MiB`;
  if (failure === 'timeout')
    return `Tsuru could not be reached within ${CONNECT_TIMEOUT_MS / 1000} s, or did not answer within ${quietMs / 1000} s`;
  return `Tsuru could not be reached or broke off its answer (${errorText(error)})`;
}

function adviceText(advice: string | undefined): string {
  return advice === undefined ? '' : `: ${advice}`;
}

/** Of the error, or of its innermost cause. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return codeOf(error.cause) ?? ('code' in error && typeof error.code === 'string' ? error.code : undefined);
}

/** The start of an error's body on one line: Tsuru's errors are plain sentences. */
function quote(words: string, token: string): string {
  return shortLine(withoutSecrets(words, [token]), QUOTED_CHARACTERS);
}
