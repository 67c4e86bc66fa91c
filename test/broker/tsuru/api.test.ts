import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TsuruRequest, TsuruWriter } from '../../../agent/shared/tsuru.ts';
import { createApi } from '../../../broker/tsuru/api.ts';

/** Tsuru writes "please wait..." to the stream of a deploy every 30 s (its sources, api/deploy.go). */
const SAYS_SOMETHING_EVERY_MS = 30_000;

it('a deploy may take long, but is given up when Tsuru falls silent', async () => {
  const asked: TsuruRequest[] = [];
  const answer = { status: 200, chunks: [Buffer.from('\nOK\n')], requestId: '' };
  const tsuru: TsuruWriter = {
    get: () => Promise.reject(new Error('nobody asks')),
    send: (_call, request) => {
      asked.push(request);
      return Promise.resolve(answer);
    },
    quote: (words) => words,
    close: () => Promise.resolve(),
  };
  const api = createApi(tsuru, new AbortController().signal);
  assert.equal(await api.deploy('my-app', 'shop/my-app:1', 'x', () => undefined), true);
  const { timeoutMs = 0, quietMs = Infinity } = asked[0] ?? {};
  assert.ok(timeoutMs >= 10 * 60_000, 'a large image takes minutes');
  assert.ok(quietMs > 2 * SAYS_SOMETHING_EVERY_MS && quietMs <= 5 * 60_000, String(quietMs));
});
