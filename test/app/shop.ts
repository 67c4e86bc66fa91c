import type { IncomingMessage, ServerResponse } from 'node:http';
import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Upper bounds of request durations, in seconds: pages of this app take a few ms. */
const BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1];
const MAX_COMMENTS = 100;
/** One checkout of this many fails, so that graphs of errors show some. */
const CHECKOUT_FAILS_EVERY = 4;

/** The pages of the demo app, with metrics of their own. */
export function createShop(): Handler {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'api_http_requests_total',
    help: 'Requests by method, page and status.',
    labelNames: ['method', 'handler', 'code'],
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'api_http_request_duration_seconds',
    help: 'How long requests took, by page.',
    labelNames: ['handler'],
    buckets: BUCKETS,
    registers: [registry],
  });
  const comments: string[] = [];
  let checkouts = 0;

  const pages: Readonly<Record<string, Handler>> = {
    'GET /': (_request, response) => {
      reply(response, 200, 'The demo app. Try /api/comments and /metrics.\n');
      return Promise.resolve();
    },
    'GET /healthz': (_request, response) => {
      reply(response, 200, 'WORKING\n');
      return Promise.resolve();
    },
    'GET /metrics': async (_request, response) => {
      response.setHeader('Content-Type', registry.contentType);
      reply(response, 200, await registry.metrics());
    },
    'GET /api/comments': (_request, response) => {
      response.setHeader('Content-Type', 'application/json');
      reply(response, 200, JSON.stringify(comments));
      return Promise.resolve();
    },
    'GET /api/checkout': (_request, response) => {
      checkouts++;
      if (checkouts % CHECKOUT_FAILS_EVERY === 0) reply(response, 503, 'the bank does not answer\n');
      else reply(response, 200, 'sold\n');
      return Promise.resolve();
    },
    'POST /api/comments': async (request, response) => {
      request.setEncoding('utf8');
      let comment = '';
      for await (const chunk of request) comment += String(chunk);
      comments.push(comment);
      if (comments.length > MAX_COMMENTS) comments.shift();
      reply(response, 201, 'thanks\n');
    },
  };

  return async (request, response) => {
    const method = request.method ?? 'GET';
    const path = new URL(request.url ?? '/', 'http://demo').pathname;
    const page = pages[`${method} ${path}`];
    const handler = page === undefined ? 'not_found' : path;
    const stop = duration.startTimer({ handler });
    if (page === undefined) reply(response, 404, 'no such page\n');
    else await page(request, response);
    stop();
    requests.inc({ method, handler, code: String(response.statusCode) });
  };
}

function reply(response: ServerResponse, status: number, body: string): void {
  response.statusCode = status;
  response.end(body);
}
