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
  it('scrapes again after an administrator deleted its token: the status says so, and names the update that helps', async () => {
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
    let command: string | undefined;
    await until(
      'the status to name the update',
      async () => {
        command = /run "tsuru service-instance-update prometheus my-instance -d (\S+)"/.exec(
          await service.status('my-instance'),
        )?.[1];
        return command !== undefined;
      },
      HEALED_LIMIT_MS,
    );
    // What was known is scraped on, and nothing was restarted.
    assert.ok((await prometheus.targets()).some(isUp('first')));
    assert.equal(tsuru.units(APP)[0]?.name, unit?.name);

    const form = { teamOwner: TEAM, description: String(command) };
    await expect(admin.call('PUT', '/1.0/services/prometheus/instances/my-instance', { form }), 200);
    await service.untilUp('my-instance');
    await service.bind('my-instance', 'second');
    const anew = prometheusOf(await service.info('my-instance'));
    await anew.untilTargets(
      'both up',
      (all) => ['first', 'second'].every((app) => all.some(isUp(app))),
      HEALED_LIMIT_MS,
    );
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
