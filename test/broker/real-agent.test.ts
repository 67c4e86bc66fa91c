import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { viewPrometheus, type PrometheusView } from '../support/prometheus.ts';
import { startService, withInstances } from '../support/service.ts';
import { until } from '../support/until.ts';
import { metricsUnit } from '../support/world.ts';
import { createApp, createClient } from '../tsuru/client.ts';
import { startTsuru } from '../tsuru/server.ts';

const TEAM = 'shop';
const APP = 'prometheus-my-instance';
/** The broker's round is a minute, an agent's poll up to half of one, and a new unit has to start. */
const HEALED_LIMIT_MS = 180_000;

describe('an instance with its real agent', () => {
  it('gets a new token while it runs after an administrator deleted the old one, and scrapes on', async () => {
    await using stack = new AsyncDisposableStack();
    const tsuru = await startTsuru({ images: withInstances(() => ({ processes: { web: metricsUnit } })) });
    stack.defer(() => tsuru.close());
    const admin = createClient(tsuru.url, tsuru.adminToken);
    const service = await startService(stack, tsuru);
    await createApp(admin, 'first', 'shop/app:1');
    await createApp(admin, 'second', 'shop/app:1');
    await service.add('my-instance', TEAM);
    await service.untilUp('my-instance');
    await service.bind('my-instance', 'first');
    const prometheus = prometheusOf(await service.info('my-instance'));
    await prometheus.untilTargets('first up', (all) => all.some(isUp('first')), HEALED_LIMIT_MS);
    const [unit] = tsuru.units(APP);

    await expect(admin.call('DELETE', `/1.6/tokens/${APP}`), 200);
    // What was known is scraped on.
    assert.ok((await prometheus.targets()).some(isUp('first')));
    await until(
      'the bind, which waits for the new token',
      () =>
        service.bind('my-instance', 'second').then(
          () => true,
          () => false,
        ),
      HEALED_LIMIT_MS,
    );
    await prometheus.untilTargets(
      'both up',
      (all) => ['first', 'second'].every((app) => all.some(isUp(app))),
      HEALED_LIMIT_MS,
    );
    assert.equal(tsuru.units(APP)[0]?.name, unit?.name, 'nothing was restarted');
    await service.untilUp('my-instance');
    assert.equal(await service.status('my-instance'), 'Service instance "my-instance" is up');
  });
});

function isUp(app: string): (target: { readonly job: string; readonly health: string }) => boolean {
  return ({ job, health }) => job === app && health === 'up';
}

function prometheusOf(info: Readonly<Record<string, string>>): PrometheusView {
  const [user = '', password = ''] = (info['User and Password'] ?? '').split(' / ');
  return viewPrometheus(info['Address'] ?? '', { user, password });
}
