import type { Registry } from 'prom-client';
import { openApiOf } from './openapi.ts';
import type { Page } from './page.ts';
import { ROUTES } from './routes.ts';

const TEXT = 'text/plain; charset=utf-8';

export function pagesOf(registry: Registry, isStopping: () => boolean): readonly Page[] {
  const pages: Page[] = [
    {
      ...{ path: '/healthz', summary: 'Whether it runs', isOpen: true, contentType: TEXT },
      answers: { 200: 'it runs' },
      answer: () => ({ status: 200, text: 'It runs.' }),
    },
    {
      ...{ path: '/readyz', summary: 'Whether it takes requests', isOpen: true, contentType: TEXT },
      answers: { 200: 'it is ready', 503: 'it stops' },
      answer: () => (isStopping() ? { status: 503, text: 'It stops.' } : { status: 200, text: 'It is ready.' }),
    },
    {
      ...{ path: '/metrics', summary: "The broker's metrics", isOpen: false, contentType: registry.contentType },
      answers: { 200: 'in the text format of Prometheus' },
      answer: async () => ({ status: 200, text: await registry.metrics() }),
    },
    {
      ...{
        path: '/openapi.json',
        summary: 'This document',
        isOpen: false,
        contentType: 'application/json; charset=utf-8',
      },
      answers: { 200: 'the routes' },
      answer: () => ({ status: 200, text: JSON.stringify(openApiOf(ROUTES, pages)) }),
    },
  ];
  return pages;
}
