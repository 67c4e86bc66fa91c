import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Registry from 'prom-client/lib/registry.js';
import { createLog } from '../../../agent/shared/log.ts';
import type { Context } from '../../../broker/context.ts';
import { createServer } from '../../../broker/http/server.ts';
import { createMetrics } from '../../../broker/metrics.ts';
import { until } from '../../support/until.ts';
import type { Reply } from '../../tsuru/client.ts';
import { AUTH, startStage } from '../stage.ts';

type Responses = Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: Responses }>>>>;
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

describe('the OpenAPI document', () => {
  it('describes every route, and no other', async () => {
    const registry = new Registry();
    const context = { log: createLog('silent', []), metrics: createMetrics(registry) } as unknown as Context;
    const server = await createServer({ context, auth: AUTH, eventsToken: undefined, registry });
    const authorization = `Basic ${btoa(`${AUTH.username}:${AUTH.password}`)}`;
    const answer = await server.inject({ url: '/openapi.json', headers: { authorization } });
    const { paths } = answer.json<Document>();
    assert.deepEqual(toldIn(paths).sort(), routesIn(server.printRoutes({ commonPrefix: false })).sort());
    await server.close();
  });

  it('describes the status and type of every answer in the life of an instance', async () => {
    await using stage = await startStage();
    await stage.createApp('my-app');
    const { paths } = JSON.parse((await stage.ask('GET', '/openapi.json')).body) as Document;
    const asked = new Set<string>();
    for (const [method, route, body, status] of LIFE) {
      const path = route.replace('{name}', 'my-instance').replace('{job}', 'my-job');
      const send = (): Promise<Reply> => stage.ask(method, path, body === '' ? {} : { body, headers: FORM });
      if (status === 204) await until('the instance to be up', async () => (await send()).status === 204);
      const answer = await send();
      assert.equal(answer.status, status, `${method} ${path}: ${answer.body}`);
      const { responses = {} } = paths[route]?.[method.toLowerCase()] ?? {};
      const told = responses[String(status)] ?? responses[`${String(status).slice(0, 1)}XX`];
      assert.ok(told, `${method} ${path}: ${status}`);
      const type = status === 204 ? [] : [answer.contentType];
      assert.deepEqual(Object.keys(told.content ?? {}), type, `${method} ${path}: ${status}`);
      asked.add(`${method} ${route}`);
    }
    assert.deepEqual([...asked].sort(), toldIn(paths).sort());
  });
});

const INSTANCE = '/resources/{name}';
const JOB = `${INSTANCE}/binds/jobs/{job}`;

/** Every route once at least, in the order of an instance's life. */
const LIFE: readonly (readonly [method: string, route: string, body: string, status: number])[] = [
  ['GET', '/healthz', '', 200],
  ['GET', '/readyz', '', 200],
  ['GET', '/metrics', '', 200],
  ['GET', '/openapi.json', '', 200],
  ['GET', '/resources/plans', '', 200],
  ['POST', '/resources', 'name=my-instance&team=nobodys', 400],
  ['POST', '/resources', 'name=my-instance&team=shop', 201],
  ['GET', `${INSTANCE}/status`, '', 204],
  ['POST', `${INSTANCE}/bind-app`, 'app-name=my-app', 201],
  ['GET', INSTANCE, '', 200],
  ['GET', `${INSTANCE}/grafana/datasource.yaml`, '', 200],
  ['GET', `${INSTANCE}/grafana/datasource-with-password.yaml`, '', 200],
  ['GET', `${INSTANCE}/grafana/dashboards.yaml`, '', 200],
  ['GET', `${INSTANCE}/grafana/app.json`, '', 200],
  ['GET', `${INSTANCE}/grafana/instance.json`, '', 200],
  ['DELETE', `${INSTANCE}/bind-app`, 'app-name=my-app', 200],
  ['POST', `${INSTANCE}/bind`, 'app-name=my-app', 201],
  ['DELETE', `${INSTANCE}/bind`, 'app-name=my-app', 200],
  ['PUT', JOB, 'job-name=my-job', 400],
  ['DELETE', JOB, 'job-name=my-job', 200],
  ['PUT', INSTANCE, 'team=shop&parameters.retention=3h', 200],
  ['PUT', INSTANCE, 'team=shop&parameters.retention=for-ever', 400],
  ['POST', '/events', 'app=my-app&kind=app.deploy', 404],
  ['DELETE', INSTANCE, '', 200],
  ['GET', `${INSTANCE}/status`, '', 200],
];

function toldIn(paths: Document['paths']): string[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

/** Of Fastify's drawing of its routes; HEAD goes with each GET. */
function routesIn(drawing: string): string[] {
  const above: string[] = [];
  return drawing.split('\n').flatMap((line) => {
    const {
      indent = '',
      part = '',
      methods = '',
    } = /^(?<indent>[ │]*)[├└]── (?<part>\S+)(?: \((?<methods>.*)\))?$/.exec(line)?.groups ?? {};
    if (part === '') return [];
    const depth = indent.length / '│   '.length;
    above.splice(depth, Infinity, part);
    const path = above.join('').replaceAll(/:(\w+)/g, '{$1}');
    return methods.split(', ').flatMap((method) => (method === '' || method === 'HEAD' ? [] : [`${method} ${path}`]));
  });
}
