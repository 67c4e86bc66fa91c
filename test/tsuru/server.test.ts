import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/until.ts';
import { isAlive } from './alive.ts';
import { createApp, createClient } from './client.ts';
import { startTsuru } from './server.ts';
import { demoApp, listedOnly, withTsuru } from './worlds.ts';

it('the local Tsuru shares no address with another local Tsuru on the same machine', async () => {
  await withTsuru({}, async (one, admin) => {
    await withTsuru({}, async (two, otherAdmin) => {
      // More than a block of addresses.
      await Promise.all([createApp(admin, 'my-app', 'x:1', 300), createApp(otherAdmin, 'my-app', 'x:1', 300)]);
      const hosts = [one, two].flatMap((tsuru) => tsuru.units('my-app').map(({ host }) => host));
      assert.equal(hosts.length, 600);
      assert.equal(new Set(hosts).size, 600);
    });
  });
});

it('the local Tsuru holds a world of thousands of units', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'x:1', 3000);
    const start = performance.now();
    const { body } = await admin.call('GET', '/1.0/apps?extended=true');
    const [app] = JSON.parse(body) as { units: unknown[] }[];
    assert.equal(app?.units.length, 3000);
    assert.ok(performance.now() - start < 2000);
    assert.equal(tsuru.units('my-app').length, 3000);
  });
});

it('the local Tsuru leaves no process and no server behind when it is closed, however often', async () => {
  const tsuru = await startTsuru({ images: demoApp() });
  await createApp(createClient(tsuru.url, tsuru.adminToken), 'my-app', 'shop/worker:1', 2);
  const pids = tsuru.units('my-app').map(({ pid }) => pid);
  assert.equal(pids.filter(isAlive).length, 3);
  await Promise.all([tsuru.close(), tsuru.close()]);
  await tsuru.close();
  assert.deepEqual(pids.filter(isAlive), []);
  await assert.rejects(fetch(tsuru.url));
});

it('the local Tsuru can be closed in the middle of a deploy', async () => {
  const tsuru = await startTsuru({ images: listedOnly(), delays: { startingMs: 60_000 } });
  const created = createApp(createClient(tsuru.url, tsuru.adminToken), 'my-app', 'x:1').catch(() => 'refused');
  await until('a unit', () => tsuru.units('my-app').length === 1);
  await tsuru.close();
  assert.equal(await created, 'refused');
});

it('the local Tsuru ends what a process of a unit has started, too', async () => {
  const images = () => ({
    processes: { web: { argv: ['/bin/sh', '-c', 'sleep 60 & echo $!; wait'] as const } },
  });
  const tsuru = await startTsuru({ images });
  const admin = createClient(tsuru.url, tsuru.adminToken);
  await createApp(admin, 'my-app', 'x:1');
  const grandchild = await until('its pid', async () => {
    const { body } = await admin.call('GET', '/1.0/apps/my-app/log?lines=1&source=web');
    return Number((JSON.parse(body) as { Message: string }[])[0]?.Message ?? 0);
  });
  assert.ok(isAlive(grandchild));
  await tsuru.close();
  await until('its end', () => !isAlive(grandchild));
});
