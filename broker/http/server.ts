import formbody from '@fastify/formbody';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import type Registry from 'prom-client/lib/registry.js';
import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { BrokerError } from '../errors.ts';
import type { Doer } from '../instances/instance.ts';
import { isAuthorized, type BasicAuth } from './auth.ts';
import { normalise, schemaOf, type RawBody } from './bodies.ts';
import { failureOf } from './failures.ts';
import { openApiOf } from './openapi.ts';
import { ROUTES, type Body, type Route } from './routes.ts';

const LARGEST_BODY_BYTES = 1024 ** 2;
/** For the headers and body of a request. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Above the 5 minutes that Tsuru waits for an answer. */
const CONNECTION_TIMEOUT_MS = 310_000;
const KEEP_ALIVE_MS = 20_000;
/** Names of instances have no limit in Tsuru; that of Node on a whole request is below this. */
const LONGEST_PARAM = 16_384;
const REQUEST_ID = /^[\w.:-]{1,100}$/;
/** Who watches over this broker has no password. */
const OPEN = ['/healthz', '/readyz'];

export interface ServerOptions {
  readonly context: Context;
  readonly auth: BasicAuth;
  readonly registry: Registry;
}

/** The broker's pages: everything that Tsuru asks, and what operators do. */
export async function createServer({ context, auth, registry }: ServerOptions): Promise<FastifyInstance> {
  const { log, metrics } = context;
  const server = fastify({
    bodyLimit: LARGEST_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    routerOptions: { maxParamLength: LONGEST_PARAM },
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    // Tsuru's forms have texts only, and JSON says what it means.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    frameworkErrors: (error, request, reply) => {
      fail(error, request, reply);
    },
  });
  let isStopping = false;
  server.addHook('preClose', (done) => {
    isStopping = true;
    done();
  });

  function fail(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { status, text } = failureOf(error, request.id);
    if (status >= 500) log.error({ requestId: request.id, reason: errorText(error) }, 'a request failed');
    else log.info({ requestId: request.id, reason: text }, 'a request was refused');
    send(reply, { status, text });
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
    if (OPEN.includes(request.routeOptions.url ?? '')) return;
    if (isAuthorized(request.headers.authorization, auth)) return;
    void reply.header('www-authenticate', 'Basic realm="prometheus"');
    throw new BrokerError(401, 'The user or password of this service is not right.');
  });
  server.addHook('onResponse', (request, reply, done) => {
    const { method, url = 'none' } = request.routeOptions as { method?: string; url?: string };
    const route = url;
    const durationMs = Math.round(reply.elapsedTime);
    metrics.requested(typeof method === 'string' ? method : request.method, route, reply.statusCode, durationMs);
    if (!OPEN.includes(route) && route !== '/metrics') {
      const fields = { method: request.method, route, status: reply.statusCode, durationMs, ...doerOf(request) };
      const text = `${request.method} ${route} ${reply.statusCode}`;
      // Reads that go well would bury the operations: Tsuru asks for plans and status with every info.
      if (request.method === 'GET' && reply.statusCode < 400) log.debug(fields, text);
      else log.info(fields, text);
    }
    done();
  });
  server.setErrorHandler(fail);
  server.setNotFoundHandler((_request, reply) => {
    send(reply, { status: 404, text: 'There is no such page.' });
  });

  for (const route of ROUTES) addRoute(server, context, route);
  server.get('/healthz', (_request, reply) => {
    send(reply, { status: 200, text: 'It runs.' });
  });
  server.get('/readyz', (_request, reply) => {
    send(reply, isStopping ? { status: 503, text: 'It stops.' } : { status: 200, text: 'It is ready.' });
  });
  server.get('/openapi.json', (_request, reply) => {
    send(reply, { status: 200, json: openApiOf(ROUTES) });
  });
  server.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
  return server;
}

function addRoute(server: FastifyInstance, context: Context, { method, path, fields, answer }: Route): void {
  server.route<{ Params: { name?: string }; Body: Body }>({
    method,
    url: path,
    ...(fields === undefined ? {} : { schema: { body: schemaOf(fields) } }),
    preValidation: (request, _reply, done) => {
      if (fields !== undefined) request.body = normalise(request.body as unknown as RawBody | undefined, fields);
      done();
    },
    handler: async (request, reply) => {
      const { params, body, headers } = request;
      const pool = headers['x-tsuru-pool-name'];
      const asked = {
        ...{ context, name: params.name ?? '', body, doer: doerOf(request) },
        pool: typeof pool === 'string' ? pool : '',
      };
      send(reply, await answer(asked));
      return reply;
    },
  });
}

function send(reply: FastifyReply, answer: { status: number } & ({ text: string } | { json: unknown })): void {
  void reply.code(answer.status).header('cache-control', 'no-store');
  if ('json' in answer) void reply.type('application/json; charset=utf-8').send(JSON.stringify(answer.json));
  else void reply.type('text/plain; charset=utf-8').send(answer.text);
}

/** Of the headers only these: others may hold a cluster's credentials. */
function doerOf({ id, headers }: FastifyRequest): Doer {
  const header = (name: string): string => {
    const value = headers[name];
    return typeof value === 'string' ? value.slice(0, 200) : '';
  };
  return { user: header('x-tsuru-user'), eventId: header('x-tsuru-eventid'), requestId: id };
}
