import formbody from '@fastify/formbody';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import type Registry from 'prom-client/lib/registry.js';
import { createCheck, type Credentials } from '../../agent/shared/basic-auth.ts';
import { isObject } from '../../agent/shared/shape.ts';
import { errorText } from '../../agent/shared/text.ts';
import { TsuruError } from '../../agent/shared/tsuru.ts';
import type { Context } from '../context.ts';
import { BrokerError } from '../errors.ts';
import type { Requester } from '../instances/parts/instance.ts';
import { normalise, schemaOf, type RawBody } from './bodies.ts';
import { failureOf, unreadable, written } from './failures.ts';
import { pagesOf } from './pages.ts';
import { createTokenCheck } from './token.ts';
import type { Body, Route } from './route.ts';
import { ROUTES } from './routes.ts';

const LARGEST_BODY_BYTES = 1024 ** 2;
/** For the headers and body of a request. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Above the 5 minutes that Tsuru waits for an answer. */
const CONNECTION_TIMEOUT_MS = 310_000;
const KEEP_ALIVE_MS = 20_000;
/** How often Node looks for requests that take too long to arrive. */
const LOOK_AT_REQUESTS_MS = 5_000;
/** Names of instances have no limit in Tsuru; that of Node on a whole request is below this. */
const LONGEST_PARAM = 16_384;
const REQUEST_ID = /^[\w.:-]{1,100}$/;
/** Of what others say in the log. */
const LONGEST_TOLD = 200;
const NO_SUCH_PAGE = 'This page does not exist.';

/** Of an answer that is an error. */
interface Reason {
  readonly reason: string;
  /** The id under which Tsuru has logged the call that failed. */
  readonly tsuruRequest: string | undefined;
}

export interface ServerOptions {
  readonly context: Context;
  readonly auth: Credentials;
  /** Undefined: no events are taken. */
  readonly eventsToken: string | undefined;
  readonly registry: Registry;
}

/** The broker's pages: everything that Tsuru asks, and what operators do. */
export async function createServer({ context, auth, eventsToken, registry }: ServerOptions): Promise<FastifyInstance> {
  const { log, metrics } = context;
  const check = createCheck(auth);
  const checkToken = eventsToken === undefined ? undefined : createTokenCheck(eventsToken);
  const withToken = ROUTES.filter(({ secret }) => secret === 'events token').map(({ path }) => path);
  const isAuthorized = ({ headers }: FastifyRequest): boolean => check(headers.authorization) === 'right';
  const server = fastify({
    bodyLimit: LARGEST_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Node exchanges the two where that of the headers, 60 s by itself, is the longer one.
    http: { headersTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: LOOK_AT_REQUESTS_MS },
    // What comes over a connection that is there already is done, too: a router keeps them.
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => {
      const failure = unreadable(error.code);
      metrics.requested('none', 'none', failure.status, 0);
      if (socket.writable) socket.end(written(failure));
      else socket.destroy(error);
    },
    routerOptions: { maxParamLength: LONGEST_PARAM },
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    // Tsuru's forms have texts only, and JSON says what it means.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    // Of a path that cannot be read: before all hooks.
    frameworkErrors: (error, request, reply) => {
      fail(isAuthorized(request) ? error : unauthorized(reply), request, reply);
      told(request, reply, 'none');
    },
  });
  const reasons = new WeakMap<FastifyRequest, Reason>();
  let isStopping = false;
  const pages = pagesOf(registry, () => isStopping);
  const open = pages.filter(({ isOpen }) => isOpen).map(({ path }) => path);
  server.addHook('preClose', (done) => {
    isStopping = true;
    done();
  });

  function fail(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { status, text } = failureOf(error, request.id);
    // What is inside is for the log alone.
    const reason = status >= 500 || error instanceof BrokerError ? errorText(error) : text;
    reasons.set(request, { reason, tsuruRequest: tsuruRequestOf(error) });
    send(reply, { status, text });
  }

  /** Counts an answer, and logs an error in one line; a successful operation logs itself. */
  function told(request: FastifyRequest, reply: FastifyReply, route: string): void {
    const { method } = request;
    const { statusCode: status } = reply;
    const durationMs = Math.round(reply.elapsedTime);
    metrics.requested(method, route, status, durationMs);
    if (status < 400 && pages.some(({ path }) => path === route)) return;
    const why = reasons.get(request);
    const fields = { ...{ method, route, status, durationMs }, ...why, ...nameOf(request), ...requesterOf(request) };
    const level = status >= 500 && why !== undefined ? 'error' : status >= 400 ? 'info' : 'debug';
    log[level](fields, `${method} ${route} ${status}`);
  }

  server.removeAllContentTypeParsers();
  await server.register(formbody, {
    bodyLimit: LARGEST_BODY_BYTES,
    parser: (text): RawBody & Record<string, unknown> => ({ encoding: 'form', form: new URLSearchParams(text) }),
  });
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, { encoding: 'json', json: text === '' ? {} : JSON.parse(String(text)) } satisfies RawBody);
    } catch {
      done(new BrokerError(400, 'The body is no JSON.'), undefined);
    }
  });

  server.addHook('onRequest', async (request, reply) => {
    const route = request.routeOptions.url ?? '';
    if (open.includes(route)) return;
    if (withToken.includes(route)) assertToken(checkToken, request);
    else if (!isAuthorized(request)) throw unauthorized(reply);
  });
  server.addHook('onSend', (_request, reply, _payload, done) => {
    // Otherwise idle keep-alive connections would delay the end.
    if (isStopping) void reply.header('connection', 'close');
    done();
  });
  server.addHook('onResponse', (request, reply, done) => {
    told(request, reply, request.routeOptions.url ?? 'none');
    done();
  });
  server.setErrorHandler(fail);
  server.setNotFoundHandler((_request, reply) => {
    send(reply, { status: 404, text: NO_SUCH_PAGE });
  });

  for (const route of ROUTES) addRoute(server, context, route);
  for (const { path, contentType, answer } of pages) {
    server.get(path, async (_request, reply) => {
      const { status, text } = await answer();
      return reply.code(status).header('cache-control', 'no-store').type(contentType).send(text);
    });
  }
  return server;
}

function assertToken(check: ReturnType<typeof createTokenCheck> | undefined, { headers }: FastifyRequest): void {
  if (check === undefined) throw new BrokerError(404, 'No events are taken: set BROKER_EVENTS_TOKEN.');
  if (!check(headers.authorization)) throw new BrokerError(401, 'This is not the token of the webhook.');
}

function addRoute(server: FastifyInstance, context: Context, { method, path, fields, answer }: Route): void {
  const writtenOut = spellingOf(method, path);
  server.route<{ Params: { name?: string }; Body: Body }>({
    method,
    url: path,
    ...(fields === undefined ? {} : { schema: { body: schemaOf(fields) } }),
    preValidation: (request, _reply, done) => {
      if (!writtenOut.test(request.url)) throw new BrokerError(404, NO_SUCH_PAGE);
      if (fields !== undefined) request.body = normalise(request.body as unknown as RawBody | undefined, fields);
      done();
    },
    handler: async (request, reply) => {
      const { params, body, headers } = request;
      const pool = headers['x-tsuru-pool-name'];
      const asked = {
        ...{ context, name: params.name ?? '', body, requester: requesterOf(request) },
        pool: typeof pool === 'string' ? pool : '',
      };
      send(reply, await answer(asked));
      return reply;
    },
  });
}

/**
 * How an address is to be written. Through Tsuru's proxy, who may use an instance sends here what they like, except for a path that is
 * spelled like a bind, which takes more than that: so another spelling of one (`%62ind-app`, `bind-app?`) is no page here.
 */
function spellingOf(method: string, path: string): RegExp {
  const query = method === 'GET' ? '(\\?.*)?' : '';
  return new RegExp(`^${path.replaceAll(/:\w+/g, '[^/?#]+')}${query}$`);
}

function tsuruRequestOf(error: unknown): string | undefined {
  if (error instanceof TsuruError) return error.requestId;
  return error instanceof Error ? tsuruRequestOf(error.cause) : undefined;
}

function unauthorized(reply: FastifyReply): BrokerError {
  void reply.header('www-authenticate', 'Basic realm="prometheus"');
  return new BrokerError(
    401,
    'The user or password of this service is not right: an administrator has to correct the manifest and run "tsuru service-update".',
  );
}

function send(reply: FastifyReply, answer: { status: number } & ({ text: string } | { json: unknown })): void {
  void reply.code(answer.status).header('cache-control', 'no-store');
  if ('json' in answer) void reply.type('application/json; charset=utf-8').send(JSON.stringify(answer.json));
  else void reply.type('text/plain; charset=utf-8').send(answer.text);
}

/** Which instance a request is about, if its path says so. */
function nameOf({ params }: FastifyRequest): { readonly instance?: string } {
  const name = isObject(params) ? params['name'] : undefined;
  return typeof name === 'string' ? { instance: name.slice(0, LONGEST_TOLD) } : {};
}

/** Of the headers only these: others may hold a cluster's credentials. */
function requesterOf({ id, headers }: FastifyRequest): Requester {
  const header = (name: string): string => {
    const value = headers[name];
    return typeof value === 'string' ? value.slice(0, LONGEST_TOLD) : '';
  };
  return { user: header('x-tsuru-user'), eventId: header('x-tsuru-eventid'), requestId: id };
}
