import { STATUS_CODES } from 'node:http';
import { isObject } from '../../agent/shared/shape.ts';
import { BrokerError } from '../errors.ts';
import { keysOf } from './bodies.ts';
import { refusal, subjectOf } from '../refusals.ts';

/** What a user is reported, and whether it is our fault. */
export interface Failure {
  readonly status: number;
  readonly text: string;
}

/** Every error's sentence: from 500 on with the request's id, and nothing of what is inside. */
export function failureOf(error: unknown, requestId: string): Failure {
  const told = refusal(error, 'do this', subjectOf('the instance'));
  const { status, text } = read(told);
  return { status, text: status < 500 ? text : `${text} (request ${requestId})` };
}

function read(error: unknown): Failure {
  if (error instanceof BrokerError) return { status: error.status, text: error.message };
  if (isObject(error)) {
    const { validation, statusCode, code } = error;
    if (Array.isArray(validation)) return { status: 400, text: invalid(validation[0]) };
    if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return { status: 413, text: 'The request is larger than 1 MiB.' };
    if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return { status: 415, text: 'Send a form or JSON.' };
    if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
      return { status: statusCode, text: 'The request cannot be read.' };
    }
  }
  return { status: 500, text: 'The service failed: try again, and tell an administrator if it fails again.' };
}

/** Of Ajv's message only the place and what was expected: the value may be a secret. */
function invalid(problem: unknown): string {
  const { instancePath = '', keyword = '', params = {}, message = '' } = isObject(problem) ? problem : {};
  const missing =
    isObject(params) && typeof params['missingProperty'] === 'string' ? params['missingProperty'] : undefined;
  if (missing !== undefined) return `${keysOf(missing)} is missing.`;
  const place = keysOf(String(instancePath).replace(/^\//, '').replaceAll('/', '.')) || 'the body';
  if (keyword === 'pattern') return `${place} cannot be used: it must be one line of text.`;
  const words = String(message)
    .replace('must be string', 'must be a text')
    .replace('must be object', 'must be an object')
    .replace('must NOT have', 'must not have');
  return `${place} cannot be used: it ${words}.`;
}

const UNREADABLE: Failure = { status: 400, text: 'The request cannot be read.' };
const STATUSES: Readonly<Record<string, Failure>> = {
  HPE_HEADER_OVERFLOW: { status: 431, text: 'The address or the headers are too long.' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, text: 'The request took too long to arrive.' },
};

/** What is answered to what is no HTTP request, or no whole one, by the code of Node's error. */
export function unreadable(code: string | undefined): Failure {
  return STATUSES[code ?? ''] ?? UNREADABLE;
}

/** An answer as it is written where there is no request that it could be an answer to. */
export function written({ status, text }: Failure): string {
  const headers = ['connection: close', 'content-type: text/plain; charset=utf-8', `content-length: ${text.length}`];
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...headers, '', text].join('\r\n');
}
