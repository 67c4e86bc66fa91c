import { takesHtml } from '../page/accept.ts';
import { NOTICE_POLICY } from '../page/assets.ts';
import { noticePage } from '../page/notice.ts';
import { text, type Page } from '../report/server.ts';

/** Why a request is refused by the gateway itself: the page that says so. All sentences say what to do instead. */
const PAGES = {
  malformed: text(400, 'This request cannot be read in one way only: send plain HTTP/1.1 with a plain path.'),
  pipelined: text(400, 'Send one request at a time on a connection.'),
  upgrade: text(400, 'Only HTTP/1.1 is supported: leave the Upgrade header out.'),
  no_credentials: text(401, 'Log in with the user and the password of this instance.'),
  wrong_credentials: text(401, 'This is not the user and the password of this instance.'),
  not_found: text(404, 'This page does not exist: only the UI and the query API of Prometheus are served.'),
  method: text(405, 'This page does not take this method.'),
  slow_request: text(408, 'The request took too long to arrive.'),
  body_too_large: text(413, 'The body of the request is too large.'),
  headers_too_large: text(431, 'The headers are too large: send a long query with POST.'),
  busy: text(429, 'Too many queries are running: try again in a few seconds.'),
  too_many_streams: text(429, 'Too many streams of notifications are open: close some tabs.'),
} as const satisfies Readonly<Record<string, Page>>;

/** A reason that the client is answered; above the limit of connections there is no answer. */
export type RefusalPage = keyof typeof PAGES;
export type RefusalReason = RefusalPage | 'connections';

export const REFUSAL_REASONS = [...(Object.keys(PAGES) as RefusalPage[]), 'connections'] as const;

export function pageOf(reason: RefusalPage): Page {
  return PAGES[reason];
}

/** A page for people in place of a sentence, where the client names HTML. */
export function readable(page: Page, accept: string | undefined): Page {
  if (page.status < 400 || !takesHtml(accept)) return page;
  const headers = { 'content-security-policy': NOTICE_POLICY, vary: 'Accept' };
  return { status: page.status, type: 'text/html; charset=utf-8', body: noticePage(page.status, page.body), headers };
}

/** What is answered when Prometheus does not. */
export const UNREACHABLE = text(
  502,
  'Prometheus does not answer: it is starting, or it has ended. Try again in a moment; /tsuru/status says why.',
);
export const TOO_SLOW = text(504, 'Prometheus took too long to answer: ask for less.');
export const FAILED = text(500, 'The gateway failed.');
