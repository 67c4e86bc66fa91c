import { VERSION } from '../../agent/shared/version.ts';
import { INSTANCE_NAME } from '../names.ts';
import type { Fields } from './bodies.ts';
import type { Route } from './routes.ts';

const TEXT = { 'text/plain': { schema: { type: 'string' } } };
const JSON_BODY = { 'application/json': { schema: {} } };
const SENTENCE = { description: 'One sentence: what is wrong, and what to do', content: TEXT };

/** The OpenAPI document of the routes. */
export function openApiOf(routes: readonly Route[]): Record<string, unknown> {
  const paths = [...new Set(routes.map(({ path }) => path))];
  return {
    openapi: '3.1.0',
    info: { title: 'Prometheus as a Service for Tsuru: what Tsuru asks of the broker', version: VERSION },
    security: [{ basic: [] }],
    components: { securitySchemes: { basic: { type: 'http', scheme: 'basic' } } },
    paths: Object.fromEntries(
      paths.map((path) => [
        path.replaceAll(/:(\w+)/g, '{$1}'),
        Object.fromEntries(
          routes.filter((route) => route.path === path).map((route) => [route.method.toLowerCase(), operation(route)]),
        ),
      ]),
    ),
  };
}

function operation({ method, path, summary, fields, answers }: Route): Record<string, unknown> {
  const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    ...{ name, in: 'path', required: true },
    schema: { type: 'string', ...(name === 'name' ? { pattern: INSTANCE_NAME } : {}) },
  }));
  const successes = Object.entries(answers).map(([status, description]) => [
    status,
    { description, ...(status === '204' ? {} : { content: method === 'GET' || status === '201' ? JSON_BODY : TEXT }) },
  ]);
  return {
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(fields === undefined ? {} : { requestBody: bodyOf(fields) }),
    responses: { ...Object.fromEntries(successes), '4XX': SENTENCE, '5XX': SENTENCE },
  };
}

function bodyOf(fields: Fields): Record<string, unknown> {
  const schema = (encoding: 'form' | 'json'): Record<string, unknown> => {
    const named = Object.values(fields);
    return {
      type: 'object',
      properties: Object.fromEntries(
        named.map((field) => [
          // Each parameter is a key of its own in a form.
          field.kind === 'parameters' && encoding === 'form' ? `${field.form}NAME` : field[encoding],
          typeOf(field.kind, encoding),
        ]),
      ),
      required: named.filter(({ required }) => required === true).map((field) => field[encoding]),
    };
  };
  return {
    content: {
      'application/x-www-form-urlencoded': { schema: schema('form') },
      'application/json': { schema: schema('json') },
    },
  };
}

function typeOf(kind: Fields[string]['kind'], encoding: 'form' | 'json'): Record<string, unknown> {
  return { type: kind === 'parameters' && encoding === 'json' ? 'object' : 'string' };
}
