// Tells whoever asked of events that ended: one after the other, once each.
import { request as httpRequest } from 'node:http';
import type { TsuruEvent } from './events.ts';
import { covers } from './permissions.ts';

export interface Webhook {
  readonly name: string;
  readonly description: string;
  readonly teamOwner: string;
  readonly url: string;
  /** '': POST. */
  readonly method: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** Instead of the event: a Go template, of which fields ({{.Target.Value}}) are filled in here. */
  readonly body: string;
  readonly filter: WebhookFilter;
}

/** An empty list wants everything. */
export interface WebhookFilter {
  readonly targetTypes: readonly string[];
  readonly targetValues: readonly string[];
  readonly kindTypes: readonly string[];
  readonly kindNames: readonly string[];
  readonly errorOnly: boolean;
  readonly successOnly: boolean;
}

export interface Webhooks {
  /** An event has ended. */
  readonly notify: (event: TsuruEvent) => void;
  /** Waits for the delivery that is under way. */
  close(): Promise<void>;
}

export interface WebhooksOptions {
  readonly hooks: () => Iterable<Webhook>;
  readonly encode: (event: TsuruEvent) => string;
  readonly closing: AbortSignal;
}

/** Tsuru gives a receiver this long, in ms. */
const DELIVERY_MS = 60_000;
const METHODS_WITH_BODY = ['POST', 'PUT', 'PATCH'];

export function createWebhooks({ hooks, encode, closing }: WebhooksOptions): Webhooks {
  let worker = Promise.resolve();

  async function deliver(hook: Webhook, text: string): Promise<void> {
    if (closing.aborted) return;
    // What a receiver answers, and whether there is one, changes nothing.
    const body = hook.body === '' ? '' : filledIn(hook.body, JSON.parse(text));
    await post({ ...hook, body }, text, closing).catch(() => undefined);
  }

  return {
    notify: (event) => {
      worker = worker.then(async () => {
        for (const hook of hooks()) if (isWanted(hook.filter, event)) await deliver(hook, encode(event));
      });
    },
    close: () => worker,
  };
}

function isWanted(filter: WebhookFilter, { kind, target, extraTargets, error }: TsuruEvent): boolean {
  const targets = [target, ...extraTargets];
  const wanted = (names: readonly string[], found: readonly string[]): boolean =>
    names.length === 0 || found.some((name) => names.includes(name));
  return (
    wanted(
      filter.targetTypes,
      targets.map(({ type }) => type),
    ) &&
    wanted(
      filter.targetValues,
      targets.map(({ value }) => value),
    ) &&
    wanted(filter.kindTypes, ['permission']) &&
    // A whole name, or its beginning up to a dot.
    (filter.kindNames.length === 0 || filter.kindNames.some((name) => covers(name, kind))) &&
    !(filter.errorOnly && error === '') &&
    !(filter.successOnly && error !== '')
  );
}

/** A field that an event does not have stays as it is written. */
function filledIn(template: string, event: unknown): string {
  return template.replaceAll(/\{\{\s*\.([\w.]+)\s*\}\}/g, (field, path: string) => {
    const value = path.split('.').reduce<unknown>((tree, key) => (isTree(tree) ? tree[key] : undefined), event);
    return typeof value === 'string' ? value : field;
  });
}

function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function post(hook: Webhook, event: string, closing: AbortSignal): Promise<void> {
  const method = hook.method === '' ? 'POST' : hook.method.toUpperCase();
  const text = hook.body !== '' ? hook.body : METHODS_WITH_BODY.includes(method) ? event : '';
  const headers = {
    'User-Agent': 'tsuru-webhook-client/1.0',
    ...(hook.body === '' && text !== '' ? { 'Content-Type': 'application/json' } : {}),
    ...Object.fromEntries(Object.entries(hook.headers).map(([name, values]) => [name, [...values]])),
    ...(text === '' ? {} : { 'Content-Length': Buffer.byteLength(text) }),
  };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.any([AbortSignal.timeout(DELIVERY_MS), closing]);
    const request = httpRequest(hook.url, { method, headers, agent: false, signal });
    // The recorded one says nothing about its connection.
    request.removeHeader('Connection');
    request.on('response', (response) => {
      response.resume();
      response.on('end', resolve);
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(text);
  });
}
