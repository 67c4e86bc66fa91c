import { VERSION } from '../../agent/shared/version.ts';
import { INSTANCE_NAME } from '../names.ts';
import { TEXT_SCHEMA, type Fields } from './bodies.ts';
import type { Page } from './page.ts';
import type { Route } from './route.ts';

const TEXT = contentOf('text/plain; charset=utf-8');
const JSON_BODY = contentOf('application/json; charset=utf-8');
const SENTENCE = { description: 'One sentence: what is wrong, and what to do', content: TEXT };
const ERRORS = { '4XX': SENTENCE, '5XX': SENTENCE };

/**
 * The OpenAPI document of all that is answered. It is not made by @fastify/swagger, which wrongly calls every body required and cannot derive
 * the keys of forms and of JSON from the schema that validates what both become: for 5 packages and 5 MB of memory, it saved 3 lines.
 */
export function openApiOf(routes: readonly Route[], pages: readonly Page[]): Record<string, unknown> {
  const operations = [
    ...routes.map((route) => ({ ...route, told: operation(route) })),
    ...pages.map((page) => ({ ...page, method: 'GET', told: pageOf(page) })),
  ];
  const byPath = Map.groupBy(operations, ({ path }) => path.replaceAll(/:(\w+)/g, '{$1}'));
  const told = [...byPath].map(([path, of]) => [
    path,
    Object.fromEntries(of.map((one) => [one.method.toLowerCase(), one.told])),
  ]);
  return {
    openapi: '3.1.0',
    info: { title: 'The broker of Prometheus as a Service for Tsuru', version: VERSION },
    security: [{ basic: [] }],
    components: {
      securitySchemes: { basic: { type: 'http', scheme: 'basic' }, events: { type: 'http', scheme: 'bearer' } },
    },
    paths: Object.fromEntries(told),
  };
}

function operation({ path, summary, secret, fields, answers, isJson = false }: Route): Record<string, unknown> {
  const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    ...{ name, in: 'path', required: true },
    schema: { type: 'string', ...(name === 'name' ? { pattern: INSTANCE_NAME } : {}) },
  }));
  return {
    summary,
    ...(secret === undefined ? {} : { security: [{ events: [] }] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(fields === undefined ? {} : { requestBody: bodyOf(fields) }),
    responses: { ...responsesOf(answers, isJson ? JSON_BODY : TEXT), ...ERRORS },
  };
}

function pageOf({ summary, isOpen, answers, contentType }: Page): Record<string, unknown> {
  return {
    summary,
    ...(isOpen ? { security: [] } : {}),
    responses: { ...responsesOf(answers, contentOf(contentType)), ...ERRORS },
  };
}

function responsesOf(answers: Readonly<Record<number, string>>, content: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(answers).map(([status, description]) => [
      status,
      // 204: nothing but the status.
      { description, ...(status === '204' ? {} : { content }) },
    ]),
  );
}

function contentOf(type: string): Record<string, unknown> {
  return { [type]: { schema: type.includes('json') ? {} : { type: 'string' } } };
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
  if (kind === 'text') return TEXT_SCHEMA;
  // Rules are many lines.
  return { type: encoding === 'json' ? 'object' : 'string' };
}
