// A change is in Prometheus soon after Tsuru's event, and not only after the next poll of the agent, which is 5 s after its last one.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { viewPrometheus } from '../support/prometheus.ts';
import { startService, withInstances } from '../support/service.ts';
import { until } from '../support/until.ts';
import { metricsUnit } from '../support/world.ts';
import { createApp, createClient } from '../tsuru/client.ts';
import { startTsuru } from '../tsuru/server.ts';

/** Well before the agent's own next poll, also on a busy machine. */
const SOON_MS = 3_500;
/** Prometheus 2.42 looks at the file again after up to 5 s. */
const APPLIED_LIMIT_MS = 30_000;

describe('with the webhook of the service, and a real agent and Prometheus', () => {
  it('a bind, a unit-add and a deploy are polled at once, and become targets', async () => {
    await using stack = new AsyncDisposableStack();
    const images = withInstances(() => ({ processes: { web: metricsUnit } }));
    const tsuru = await startTsuru({ images });
    stack.defer(() => tsuru.close());
    const admin = createClient(tsuru.url, tsuru.adminToken);
    const service = await startService(stack, tsuru, { webhook: true });
    await service.add('my-instance', 'shop');
    await service.untilUp('my-instance');
    await createApp(admin, 'my-app', 'shop/app:1');
    const info = await service.info('my-instance');
    const [user = '', password = ''] = (info['User and Password'] ?? '').split(' / ');
    const prometheus = viewPrometheus(info['Address'] ?? '', { user, password });

    /** The agent's polls so far, in milliseconds since 1970. */
    const polls = (): number[] =>
      tsuru.requests
        .all()
        .filter(({ path, query }) => path === '/1.0/apps' && /^\??extended=true$/.test(query))
        .map(({ at }) => at.getTime());

    /** A change right after a poll, so that the next one that is due by itself is far off. */
    async function isPolledSoon(
      what: string,
      change: () => Promise<unknown>,
      wanted = (): string[] => tsuru.units('my-app').map(({ name }) => name),
    ): Promise<void> {
      const before = polls().length;
      await until('a poll', () => polls().length > before);
      await change();
      const endMs = Date.now();
      const polledMs = await until(`a poll after ${what}`, () => polls().find((atMs) => atMs >= endMs));
      assert.ok(polledMs - endMs < SOON_MS, `${what} was polled after ${polledMs - endMs} ms`);
      await prometheus.untilTargets(
        `the units after ${what}`,
        (targets) => {
          const scraped = targets.filter(({ job }) => job === 'my-app').map(({ instance }) => instance);
          return scraped.sort().join() === wanted().sort().join();
        },
        APPLIED_LIMIT_MS,
      );
    }

    await isPolledSoon('the bind', () => service.bind('my-instance', 'my-app'));
    await isPolledSoon('unit-add', () =>
      expect(admin.call('PUT', '/1.0/apps/my-app/units', { form: { units: 2, process: 'web' } }), 200),
    );
    await isPolledSoon('the deploy', () =>
      expect(admin.call('POST', '/1.0/apps/my-app/deploy', { form: { image: 'shop/app:2', origin: 'image' } }), 200),
    );
    const none = (): string[] => [];
    await isPolledSoon('the unbind', () => service.unbind('my-instance', 'my-app'), none);
  });
});
