import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { until } from '../support/until.ts';
import { createApp, type Client } from './client.ts';
import type { Images } from './images.ts';
import { demoApp, withTsuru } from './worlds.ts';

it('the local Tsuru runs every unit as a process that answers on an address of its own', async () => {
  await withTsuru({ images: demoApp() }, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'shop/my-app-port9100:1', 3);
    const units = tsuru.units('my-app');
    assert.equal(new Set(units.map(({ host }) => host)).size, 3);
    for (const { host, port, status, ready } of units) {
      assert.deepEqual([port, status, ready], [9100, 'started', true]);
      assert.match(host, /^127\.1\.\d+\.\d+$/);
      await until('an answer', async () =>
        /^api_http_requests_total/m.test(await (await fetch(`http://${host}:${port}/metrics`)).text()),
      );
    }
  });
});

it('the local Tsuru starts a killed unit again on its address, and counts the restart', async () => {
  await withTsuru({ images: demoApp() }, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'shop/my-app:1');
    const [before] = tsuru.units('my-app');
    assert.ok(before !== undefined);
    // At once after the first end, and then later and later.
    tsuru.kill(before.name);
    await until('a restart', () => tsuru.units('my-app').some(({ restarts, ready }) => restarts === 1 && ready));
    tsuru.kill(before.name);
    await until('an error', () => tsuru.units('my-app')[0]?.restarts === 2);
    const [crashed] = await listed(admin);
    assert.deepEqual(
      [crashed?.['StatusReason'], crashed?.['Ready'], crashed?.['Status'], crashed?.['InternalIP']],
      ['exitCode: 137', false, 'error', before.host],
    );
    tsuru.delays.restartMs = 0;
    await until('a ready unit', () => tsuru.units('my-app')[0]?.ready);
    const [after] = tsuru.units('my-app');
    assert.deepEqual(
      [after?.name, after?.host, after?.restarts, after?.status],
      [before.name, before.host, 2, 'started'],
    );
    assert.notEqual(after?.pid, before.pid);
    await until('an answer', async () => (await fetch(`http://${before.host}:8888/healthz`)).status === 200);
  });
});

it('the local Tsuru shows the exit code of a process that ends by itself', async () => {
  const images: Images = () => ({ processes: { web: { argv: ['/bin/sh', '-c', 'exit 1'] } } });
  await withTsuru({ images, delays: { deployTimeoutMs: 60_000, restartMs: 0 } }, async (tsuru, admin) => {
    const created = createApp(admin, 'my-app', 'crash:1').catch(() => undefined);
    await until('some restarts', () => (tsuru.units('my-app')[0]?.restarts ?? 0) >= 2);
    tsuru.delays.restartMs = 60_000;
    await until('an error', () => tsuru.units('my-app')[0]?.reason === 'exitCode: 1');
    await tsuru.close();
    await created;
  });
});

it('the local Tsuru calls a worker started that listens nowhere, and gives it a port all the same', async () => {
  await withTsuru({ images: demoApp() }, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'shop/worker:1');
    const worker = tsuru.units('my-app').find(({ process }) => process === 'worker');
    assert.deepEqual([worker?.status, worker?.port], ['started', 8888]);
    await assert.rejects(fetch(`http://${worker?.host ?? ''}:8888/metrics`));
  });
});

it('the local Tsuru lists a waiting unit without an address', async () => {
  await withTsuru({ delays: { createdMs: 60_000 } }, async (tsuru, admin) => {
    const created = createApp(admin, 'my-app', 'shop/my-app:1');
    const [waiting] = await until('a unit', async () => {
      const units = await listed(admin);
      return units.length > 0 && units;
    });
    assert.deepEqual(
      ['Status', 'InternalIP', 'IP', 'Address', 'HostAddr', 'HostPort', 'Ready'].map((key) => waiting?.[key]),
      ['created', '', '', null, '', '', false],
    );
    tsuru.delays.createdMs = 0;
    await created;
    assert.equal((await listed(admin))[0]?.['Status'], 'started');
  });
});

it('the local Tsuru runs units inside this process, or on an address of the image such as ::1', async () => {
  const images: Images = () => ({
    address: '::1',
    // Any free port: nobody connects.
    exposes: 0,
    processes: {
      web: async ({ host, unit }) => {
        const server = createServer((_request, response) => response.end(unit));
        server.listen(0, host);
        await once(server, 'listening');
        return {
          close: async () => {
            server.close();
            server.closeAllConnections();
            await once(server, 'close');
          },
        };
      },
    },
  });
  await withTsuru({ images }, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'inside:1');
    const [unit] = await listed(admin);
    assert.deepEqual([unit?.['InternalIP'], unit?.['Status']], ['::1', 'started']);
    tsuru.kill(String(unit?.['Name']));
    await until('a restart', () => tsuru.units('my-app').some(({ restarts, ready }) => restarts === 1 && ready));
  });
});

describe('units can be made to look', () => {
  it('like a one-off unit of tsuru app run, without a process', async () => {
    await withTsuru({}, async (tsuru, admin) => {
      await createApp(admin, 'my-app', 'shop/my-app:1');
      const { name } = tsuru.runIsolated('my-app');
      const units = await listed(admin);
      assert.equal(units.find((unit) => unit['Name'] === name)?.['ProcessName'], '');
      await admin.call('POST', '/1.0/apps/my-app/restart', { form: {} });
      assert.ok(tsuru.units('my-app').some((unit) => unit.name === name));
    });
  });

  it('like those of an older provisioner', async () => {
    await withTsuru({}, async (tsuru, admin) => {
      await createApp(admin, 'my-app', 'shop/my-app:1');
      const [unit] = tsuru.units('my-app');
      tsuru.overrideUnit(unit?.name ?? '', { Status: 'succeeded', Ready: null, InternalIP: '' });
      const [shown] = await listed(admin);
      assert.deepEqual([shown?.['Status'], shown?.['Ready'], shown?.['InternalIP']], ['succeeded', null, '']);
    });
  });
});

it('the local Tsuru replaces a unit that tsuru unit kill ends', async () => {
  await withTsuru({}, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'shop/my-app:1', 2);
    const [victim] = tsuru.units('my-app');
    const reply = await admin.call('DELETE', `/1.12/apps/my-app/units/${victim?.name ?? ''}?force=true`);
    assert.equal(reply.status, 200);
    const left = tsuru.units('my-app').map(({ name }) => name);
    assert.equal(left.length, 2);
    assert.ok(!left.includes(victim?.name ?? ''));
  });
});

it('the local Tsuru lists ports as the image says them: several, UDP, or none', async () => {
  const images: Images = () => ({
    processes: { dns: 'nothing', idle: 'nothing' },
    ports: {
      dns: [
        { port: 53, protocol: 'UDP' },
        { port: 9153, protocol: 'TCP' },
      ],
      idle: [],
    },
  });
  await withTsuru({ images }, async (_tsuru, admin) => {
    await createApp(admin, 'my-app', 'dns:1');
    const { internalAddresses } = JSON.parse((await admin.call('GET', '/1.0/apps/my-app')).body) as {
      internalAddresses: Record<string, unknown>[];
    };
    assert.deepEqual(
      internalAddresses.map(({ Process, Protocol, TargetPort }) => [Process, Protocol, TargetPort]).sort(),
      [
        ['dns', 'TCP', 9153],
        ['dns', 'UDP', 53],
      ],
    );
  });
});

async function listed(admin: Client): Promise<Record<string, unknown>[]> {
  const [app] = JSON.parse((await admin.call('GET', '/1.0/apps?extended=true')).body) as {
    units: Record<string, unknown>[];
  }[];
  return app?.units ?? [];
}
