import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inOrder } from '../support/in-order.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { APP, grantsOf, startStage } from './stage.ts';

describe('through the Tsuru service API,', () => {
  for (const encoding of ['form', 'json'] as const) {
    it(`an instance is added, seen, bound, unbound and removed (${encoding})`, async () => {
      await using stage = await startStage({ encoding });
      const { admin, tsuru } = stage;
      await stage.createApp('my-app');

      await expect(stage.add(), 201);
      const app = JSON.parse((await expect(admin.call('GET', `/1.0/apps/${APP}`), 200)).body) as Record<
        string,
        unknown
      >;
      assert.deepEqual(inOrder(app['tags']), [
        'prometheus-instance=prometheus-my-instance',
        'prometheus-instance=prometheus/my-instance',
      ]);
      assert.equal(app['teamowner'], 'shop');
      assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
      await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));

      const units = tsuru.requests.count('PUT', /units/);
      await expect(stage.bind('my-app'), 200);
      assert.deepEqual(await grantsOf(stage), ['prometheus-reader my-app', `prometheus-reader ${APP}`]);
      assert.equal(tsuru.requests.count('PUT', /units/), units);

      const info = await stage.info();
      assert.deepEqual(Object.keys(info).sort(), ['Address', 'App', 'In force', 'Units up', 'User and Password']);
      assert.equal(info['App'], APP);
      assert.equal(info['Units up'], 'my-app');
      assert.equal(info['In force'], 'small (c0.5m1)');
      assert.match(info['User and Password'] ?? '', /^prometheus \/ [\w-]{24}$/);

      await expect(stage.unbind('my-app'), 200);
      assert.deepEqual(await grantsOf(stage), [`prometheus-reader ${APP}`]);
      await expect(stage.remove(), 200);
      for (const path of [`/1.0/apps/${APP}`, `/1.4/volumes/${APP}`, `/1.7/tokens/${APP}`]) {
        assert.equal((await admin.call('GET', path)).status, 404, path);
      }
    });
  }
});
