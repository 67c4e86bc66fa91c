import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { until } from '../support/until.ts';
import { grantsOf, startStage } from './stage.ts';

interface Recorded {
  readonly while: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string | null;
  };
}

type Wanted = readonly (readonly [request: RegExp, statuses: readonly number[]])[];

/** Which of our answers a recorded command continues with, by the request. */
const WANTED: Wanted = [
  [/^POST \/resources$/, [201]],
  [/^POST .*\/bind(-app)?$/, [201]],
  [/^PUT .*\/binds\/jobs/, [400]],
  [/^GET .*\/status$/, [200, 202, 204]],
  [/./, [200]],
];
/** The recording's broker refused to remove an instance that Tsuru had more requests for; ours has removed it. */
const WANTED_OF_REMOVED: Wanted = [
  [/^(POST|PUT) /, [410]],
  [/./, [200]],
];
/** Of the connection, or left out in the recording. */
const OWN_HEADERS = ['Connection', 'Authorization', 'Content-Length'];

describe('each request that a real Tsuru was recorded with', () => {
  it('is accepted in its order, in both encodings, and leaves what it should', async () => {
    await using stage = await startStage();
    const file = new URL('../recorded/service-api.json', import.meta.url);
    const recorded = (JSON.parse(await readFile(file, 'utf8')) as Recorded[]).filter(
      ({ request }) => request.path !== '/events',
    );
    await Promise.all(['my-app', 'two-processes'].map((name) => stage.createApp(name)));
    const made = new Set<string>();
    const removed = new Set<string>();
    for (const { while: command, request } of recorded) {
      const { method, path, headers, body } = request;
      const instance = /^\/resources\/(?!plans$)([\w-]+)/.exec(path)?.[1];
      // The recording's broker had nothing to deploy; here a change waits for what the command before has begun.
      if (instance !== undefined && method !== 'GET' && made.has(instance)) {
        await until(`${instance} to be deployed`, async () => {
          return (await stage.ask('GET', `/resources/${instance}/status`)).status !== 202;
        });
      }
      const answer = await stage.ask(method, path, {
        ...(body === null ? {} : { body }),
        headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN_HEADERS.includes(name))),
      });
      const told = `${command}: ${method} ${path}: ${answer.status} ${answer.body}`;
      assert.ok(instance === undefined || made.has(instance) || removed.has(instance), told);
      const table = instance !== undefined && removed.has(instance) ? WANTED_OF_REMOVED : WANTED;
      const wanted = table.find(([pattern]) => pattern.test(`${method} ${path}`))?.[1] ?? [];
      assert.ok(wanted.includes(answer.status), told);
      if (method === 'POST' && path === '/resources') made.add(nameIn(body ?? ''));
      if (method === 'DELETE' && instance !== undefined && path === `/resources/${instance}`) {
        made.delete(instance);
        removed.add(instance);
      }
    }
    assert.deepEqual([...made], ['other']);
    assert.deepEqual([...removed].sort(), ['asjson', 'full', 'my-instance']);
    assert.deepEqual(await grantsOf(stage, 'prometheus-other'), ['prometheus-reader prometheus-other']);
    assert.ok(stage.lines.some((line) => line.includes('created the instance') && line.includes('admin@example.com')));
  });
});

function nameIn(body: string): string {
  const name = /\bname=([\w-]+)|"name": ?"([\w-]+)"/.exec(body);
  return name?.[1] ?? name?.[2] ?? '';
}
