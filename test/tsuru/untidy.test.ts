// What real pods do that a tidy stand-in would not: by default, so that every program is tried with it.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryFolder } from '../support/folder.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { createApp, type Client } from './client.ts';
import type { Command, Image } from './images.ts';
import type { LocalTsuru } from './server.ts';
import type { VolumeOptions } from './volumes.ts';
import { withTsuru } from './worlds.ts';

/** Longer than any test: a delay that ends only when the test sets it to 0. */
const HELD_MS = 60_000;
const isRoot = process.getuid?.() === 0;

/** A server that ends in order. */
function server(whenListening: string, exitCode = 0): Command {
  const program = `
    const { createServer } = require('node:http');
    process.on('SIGTERM', () => process.exit(${exitCode}));
    const open = () => createServer((_, response) => response.end('here'))
      .listen(Number(process.env.TSURU_LOCAL_PORT), process.env.TSURU_LOCAL_ADDRESS);
    ${whenListening}`;
  return { argv: [process.execPath, '-e', program] };
}

const AT_ONCE: Image = { processes: { web: server('open();') } };
/** Listens once there is a file. */
function onceThereIs(file: string): Image {
  const isThere = `require('node:fs').existsSync(${JSON.stringify(file)})`;
  return {
    processes: {
      web: server(`const looking = setInterval(() => ${isThere} && (clearInterval(looking), open()), 20);`),
    },
  };
}

function shell(script: string, more: Partial<Command> = {}): Image {
  return { processes: { web: { argv: ['/bin/sh', '-c', script], ...more } } };
}

describe('a unit of the local Tsuru', () => {
  it('has a pod address only: neither Address nor HostAddr nor HostPort, and IP is that of its node', async () => {
    await withTsuru({}, async (tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1');
      const [unit] = await listed(admin);
      const [{ host } = { host: '' }] = tsuru.units('my-app');
      assert.deepEqual(
        ['Address', 'HostAddr', 'HostPort', 'InternalIP', 'IP'].map((key) => unit?.[key]),
        [null, '', '', host, '192.0.2.10'],
      );
    });
  });

  it('is started as soon as its process runs, without a healthcheck, and once it is healthy with one', async () => {
    for (const [healthcheck, expected] of [
      [{}, 'started'],
      [{ healthcheck: { path: '/healthz' } }, 'starting'],
    ] as const) {
      await using folder = await temporaryFolder();
      const file = join(folder.path, 'listen');
      await withTsuru({ images: () => ({ ...onceThereIs(file), ...healthcheck }) }, async (tsuru, admin) => {
        const created = createApp(admin, 'my-app', 'x:1');
        const unit = await until('the process', () => tsuru.units('my-app').find(({ pid }) => pid !== undefined));
        if (expected === 'started') await until('it to be ready', () => tsuru.units('my-app')[0]?.ready);
        await assert.rejects(fetch(`http://${unit.host}:8888/`));
        assert.equal(tsuru.units('my-app')[0]?.status, expected);
        await writeFile(file, '');
        await until('it to listen', () => answers(`http://${unit.host}:8888/`));
        await created;
      });
    }
  });

  it('is unlisted as soon as it is to end, and answers some time more', async () => {
    await withTsuru({ images: () => AT_ONCE, delays: { endingMs: HELD_MS } }, async (tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1');
      const [unit] = tsuru.units('my-app');
      const url = `http://${unit?.host ?? ''}:8888/`;
      await until('it to listen', () => answers(url));
      await expect(admin.call('POST', '/1.0/apps/my-app/stop', { form: {} }), 200);
      assert.deepEqual(await listed(admin), []);
      assert.equal(await (await fetch(url)).text(), 'here');
      tsuru.delays.endingMs = 0;
      await until('its end', async () => !(await answers(url)));
    });
  });

  it('is started again at once after its first end, and then later and later, also after exit code 0', async () => {
    for (const code of [0, 1]) {
      const images = () => shell(`sleep 0.2; exit ${code}`);
      await withTsuru({ images, delays: { restartMs: 200 } }, async (tsuru, admin) => {
        await createApp(admin, 'my-app', 'x:1');
        const restartedAt: number[] = [];
        await until('four ends', () => {
          const restarts = tsuru.units('my-app')[0]?.restarts ?? 0;
          if (restarts > restartedAt.length) restartedAt.push(performance.now());
          return restartedAt.length === 4;
        });
        const [first = 0, second = 0, third = 0, fourth = 0] = restartedAt;
        assert.ok(third - second >= 200, `${second - first} ${third - second} ${fourth - third}`);
        assert.ok(fourth - third >= 400, `${second - first} ${third - second} ${fourth - third}`);
        assert.equal(tsuru.units('my-app')[0]?.reason, `exitCode: ${code}`);
      });
    }
  });
});

describe('an evicted unit of the local Tsuru', () => {
  const evicted = async (image: Image, test: (tsuru: LocalTsuru, admin: Client, unit: string) => Promise<void>) => {
    await withTsuru({ images: () => ({ ...image, healthcheck: { path: '/' } }) }, async (tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1');
      const [unit] = tsuru.units('my-app');
      await expect(admin.call('POST', `/local/units/${unit?.name ?? ''}/evict`), 200);
      await test(tsuru, admin, unit?.name ?? '');
    });
  };

  it('stays in the list as stopped, with its address, when its process ended with exit code 0', async () => {
    await evicted(AT_ONCE, async (tsuru, admin, unit) => {
      await until('two units', () => tsuru.units('my-app').some(({ status }) => status === 'stopped'));
      const units = await listed(admin);
      const stopped = units.find(({ Name }) => Name === unit);
      assert.equal(units.length, 2);
      assert.deepEqual([stopped?.['Status'], stopped?.['Ready']], ['stopped', false]);
      assert.notEqual(stopped?.['InternalIP'], '');
      // It is no unit of the app any more, for a deploy and for scaling.
      await expect(admin.call('PUT', '/1.0/apps/my-app/units', { form: { units: 1, process: 'web' } }), 200);
      assert.equal((await listed(admin)).length, 3);
      tsuru.delays.evictedMs = 0;
      await until('its end', async () => (await listed(admin)).length === 2);
    });
  });

  it('is unlisted when its process ended with another exit code', async () => {
    await evicted({ processes: { web: server('open();', 1) } }, async (tsuru, admin, unit) => {
      await until('its end', () => tsuru.units('my-app').every(({ name }) => name !== unit));
      assert.equal((await listed(admin)).length, 1);
    });
  });
});

describe('an app of the local Tsuru', () => {
  it('has no ports and no address before its first rollout has ended, and always an error about metrics', async () => {
    await withTsuru({ delays: { startingMs: HELD_MS } }, async (tsuru, admin) => {
      tsuru.delays.portsMs = HELD_MS;
      const created = createApp(admin, 'my-app', 'x:1');
      await until('a unit', () => tsuru.units('my-app').length === 1);
      const before = await read(admin);
      assert.deepEqual([before['internalAddresses'], before['ip'], before['deploys']], [undefined, '', 0]);
      assert.match(String(before['error']), /^unable to get units metrics: /);
      Object.assign(tsuru.delays, { startingMs: 0, portsMs: 0 });
      await created;
      const after = await read(admin);
      assert.deepEqual([after['ip'], after['deploys']], ['my-app.fakerouter.com', 1]);
      assert.ok(Array.isArray(after['internalAddresses']));
      assert.match(String(after['error']), /^unable to get units metrics: /);
    });
  });

  it('is listed with its units in another order each time, and its events by time', async () => {
    await withTsuru({}, async (_tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1', 6);
      const orders = new Set<string>();
      const events = new Set<string>();
      for (let look = 0; look < 10; look++) {
        orders.add((await listed(admin)).map(({ Name }) => Name).join());
        const { body } = await admin.call('GET', '/1.1/events');
        events.add((JSON.parse(body) as { UniqueID: string }[]).map(({ UniqueID }) => UniqueID).join());
      }
      assert.ok(orders.size > 1);
      assert.equal(events.size, 1);
    });
  });
});

describe('a disk of its own that a unit has', () => {
  const ONE = { 'access-modes': 'ReadWriteOnce' };
  const volumePlans: Readonly<Record<string, VolumeOptions>> = {
    block: { plugin: 'ephemeral', capacity: '1Gi', 'storage-class': 'fast-ssd', ...ONE },
    open: { plugin: 'ephemeral', capacity: '1Gi', 'storage-class': 'local-path', ...ONE },
    memory: { plugin: 'emptyDir', medium: 'Memory' },
    plain: { plugin: 'emptyDir' },
  };
  for (const [plan, expected] of [
    ['block', 'refused'],
    ['open', 'written'],
    ['memory', 'written'],
    ['plain', 'written'],
  ] as const) {
    it(`is ${expected} by user 1000 with the plan ${plan}`, async () => {
      const script = 'touch /local-tsuru-disk/x && echo written || echo refused; exec sleep 600';
      const images = () => shell(script, { asInPod: true });
      await withTsuru({ images, volumePlans }, async (_tsuru, admin) => {
        await expect(
          admin.call('POST', '/1.0/apps', { json: { name: 'my-app', teamOwner: 'shop', pool: 'dev' } }),
          201,
        );
        const form = { Name: 'data', Pool: 'dev', TeamOwner: 'shop', 'Plan.Name': plan };
        await expect(admin.call('POST', '/1.4/volumes', { form }), 201);
        const bind = { App: 'my-app', MountPoint: '/local-tsuru-disk', NoRestart: 'true' };
        await expect(admin.call('POST', '/1.4/volumes/data/bind', { form: bind }), 200);
        await expect(admin.call('POST', '/1.0/apps/my-app/deploy', { form: { image: 'x:1', origin: 'image' } }), 200);
        const said = await until('its word', async () => {
          const { body } = await admin.call('GET', '/1.0/apps/my-app/log?lines=100&source=web');
          return /"(written|refused)"/.exec(body)?.[1];
        });
        // Only root can start a process as somebody else.
        assert.equal(said, isRoot ? expected : 'written');
      });
    });
  }
});

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function read(admin: Client): Promise<Record<string, unknown>> {
  return JSON.parse((await admin.call('GET', '/1.0/apps/my-app')).body) as Record<string, unknown>;
}

async function listed(admin: Client): Promise<Record<string, unknown>[]> {
  const [app] = JSON.parse((await admin.call('GET', '/1.0/apps?extended=true')).body) as {
    units: Record<string, unknown>[];
  }[];
  return app?.units ?? [];
}
