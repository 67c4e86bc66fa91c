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

/** Which of our answers a recorded command goes on with, by the call. */
const WANTED: readonly (readonly [RegExp, readonly number[]])[] = [
  [/^POST \/resources$/, [201]],
  [/^POST .*\/bind(-app)?$/, [201]],
  [/^PUT .*\/binds\/jobs/, [400]],
  [/^GET .*\/status$/, [200, 202, 204]],
  [/./, [200]],
];

describe('each request that a real Tsuru was recorded with', () => {
  it('is accepted in its order, in both encodings, and leaves what it should', async () => {
    await using stage = await startStage();
    const file = new URL('../recorded/service-api.json', import.meta.url);
    const recorded = (JSON.parse(await readFile(file, 'utf8')) as Recorded[]).filter(
      ({ request }) => request.path !== '/events',
    );
    await Promise.all(['my-app', 'two-processes'].map((name) => stage.createApp(name)));
    const seen = new Set<string>();
    for (const { while: command, request } of recorded) {
      const { method, path, headers, body } = request;
      const ready = ['my-instance', 'full', 'other', 'asjson'].find((name) => path.startsWith(`/resources/${name}`));
      // The recording's broker had nothing to deploy; here a change waits for what the command before has begun.
      if (ready !== undefined && method !== 'GET' && seen.has(ready)) {
        await until(`${ready} to be deployed`, async () => {
          return (await stage.ask('GET', `/resources/${ready}/status`)).status !== 202;
        });
      }
      const isRemoved = ready !== undefined && !seen.has(ready);
      const type = headers['Content-Type'];
      const answer = await stage.ask(method, path, {
        ...(body === null ? {} : { body }),
        headers: type === undefined ? {} : { 'content-type': type },
      });
      if (isRemoved) continue;
      const wanted = WANTED.find(([pattern]) => pattern.test(`${method} ${path}`))?.[1] ?? [];
      assert.ok(wanted.includes(answer.status), `${command}: ${method} ${path}: ${answer.status} ${answer.body}`);
      const name = /name=([\w-]+)|"name": ?"([\w-]+)"/.exec(body ?? '');
      if (method === 'POST' && path === '/resources') seen.add(name?.[1] ?? name?.[2] ?? '');
      if (method === 'DELETE' && ready !== undefined && path === `/resources/${ready}`) seen.delete(ready);
    }
    assert.deepEqual([...seen], ['other']);
    assert.deepEqual(await grantsOf(stage, 'prometheus-other'), ['prometheus-reader prometheus-other']);
  });
});
