import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { isAlive } from './alive.ts';
import { createApp, type Client } from './client.ts';
import type { Images } from './images.ts';
import type { LocalTsuru } from './server.ts';
import type { VolumeOptions } from './volumes.ts';
import { withTsuru } from './worlds.ts';

const MIB = 2 ** 20;
/** Where this machine has nothing, as in a container of its own. */
const MOUNT_POINT = '/local-tsuru-data';
/** Tells at its start where its volume is, and stays. */
const images: Images = () => ({
  processes: {
    web: { argv: ['/bin/sh', '-c', 'echo "volumes $TSURU_LOCAL_VOLUMES"; exec sleep 600'] },
  },
});
const volumePlans: Readonly<Record<string, VolumeOptions>> = {
  tmpfs: { plugin: 'emptyDir', medium: 'Memory' },
  disk: { plugin: 'ephemeral', capacity: '1Gi', 'access-modes': 'ReadWriteOnce' },
  bare: { plugin: 'ephemeral' },
  nfs: { plugin: 'nfs' },
};
/** May this test mount anything? If not, it looks at the folders that units are given instead. */
const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0;

it('the local Tsuru gives each unit a tmpfs of its own, no larger than asked for, that outlives a crash but not a deploy', async () => {
  await withVolume('tmpfs', { sizeLimit: '3Mi' }, async (tsuru, admin) => {
    const [one = '', two = ''] = await folders(tsuru, admin, 2);
    await writeFile(join(one, 'kept'), 'x');
    assert.ok(!existsSync(join(two, 'kept')));
    if (canMount) assert.equal(await sizeOf(one), 3 * MIB);
    assert.ok(!existsSync(MOUNT_POINT));

    const [unit] = tsuru.units('my-app');
    tsuru.kill(unit?.name ?? '');
    await until('a restart', () => tsuru.units('my-app')[0]?.ready && tsuru.units('my-app')[0]?.restarts === 1);
    const [after = ''] = await folders(tsuru, admin, 2);
    assert.equal(await readFile(join(after, 'kept'), 'utf8'), 'x');

    await deploy(admin);
    for (const folder of await folders(tsuru, admin, 2)) assert.ok(!existsSync(join(folder, 'kept')));
  });
});

it('the local Tsuru bounds a tmpfs by the memory of the plan, whatever its capacity says', async () => {
  await withVolume('tmpfs', { capacity: '1Mi' }, async (tsuru, admin) => {
    const [folder = ''] = await folders(tsuru, admin, 1);
    // The default plan has 256 MiB.
    assert.equal(canMount ? await sizeOf(folder) : 256 * MIB, 256 * MIB);
  });
});

it('the local Tsuru gives each unit a folder of its own on an ephemeral disk, and all units the same one of a persistent volume', async () => {
  await withVolume('disk', {}, async (tsuru, admin) => {
    const [one = '', two = ''] = await folders(tsuru, admin, 2);
    await writeFile(join(one, 'mine'), 'x');
    assert.ok(!existsSync(join(two, 'mine')));
  });
  await withVolume('nfs', {}, async (tsuru, admin) => {
    const [one = '', two = ''] = await folders(tsuru, admin, 2);
    await writeFile(join(one, 'ours'), 'x');
    assert.equal(await readFile(join(two, 'ours'), 'utf8'), 'x');
    await deploy(admin);
    for (const folder of await folders(tsuru, admin, 2)) assert.ok(existsSync(join(folder, 'ours')));
  });
});

it('the local Tsuru takes an ephemeral disk only with a capacity, which is that of its plan, and changes none that a unit has', async () => {
  await withTsuru({ volumePlans }, async (tsuru, admin) => {
    const volume = (plan: string, more: Readonly<Record<string, string>> = {}) => ({
      form: { Name: plan, Pool: 'dev', TeamOwner: 'shop', 'Plan.Name': plan, ...more },
    });
    const refused = await admin.call('POST', '/1.4/volumes', volume('bare'));
    assert.deepEqual([refused.status, refused.body], [500, 'capacity is mandatory either in plan or as volume opts\n']);
    await expect(admin.call('POST', '/1.4/volumes', volume('disk', { 'Opts.capacity': '5Gi', 'Opts.x': 'y' })), 201);
    const { Opts: options } = JSON.parse((await admin.call('GET', '/1.4/volumes/disk')).body) as { Opts: unknown };
    assert.deepEqual(options, { x: 'y' });
    await createApp(admin, 'my-app', 'x:1');
    const bind = { App: 'my-app', MountPoint: MOUNT_POINT, NoRestart: 'true' };
    await expect(admin.call('POST', '/1.4/volumes/disk/bind', { form: bind }), 200);
    const change = await admin.call('POST', '/1.4/volumes/disk', volume('disk', { TeamOwner: 'ops' }));
    assert.equal(change.status, 500);
    assert.match(change.body, /updating a volume already provisioned is not supported/);
    await expect(admin.call('DELETE', '/1.0/apps/my-app'), 200);
    await expect(admin.call('POST', '/1.4/volumes/disk', volume('disk', { TeamOwner: 'ops' })), 200);
  });
});

it('the local Tsuru says where a volume is that cannot be mounted at its mount point', async () => {
  const mountPoint = '/nosuch-folder/deep/data';
  await withVolume(
    'tmpfs',
    {},
    async (tsuru, admin) => {
      const said = await saidVolumes(tsuru, admin, 1);
      const folder = said[0]?.[mountPoint] ?? '';
      assert.notEqual(folder, mountPoint);
      await writeFile(join(folder, 'x'), 'x');
      const { body } = await admin.call('GET', '/1.0/apps/my-app/log?lines=100');
      assert.match(body, /local Tsuru: volumes are plain folders, for /);
    },
    mountPoint,
  );
});

it('the local Tsuru leaves no mount, no process and no folder behind', async () => {
  let folder = '';
  let holders: number[] = [];
  await withVolume('disk', {}, async (tsuru, admin) => {
    await folders(tsuru, admin, 2);
    holders = pidsOf(`hold-mounts|sleep infinity`, process.pid);
    const [said] = await saidVolumes(tsuru, admin, 2);
    folder = said?.[MOUNT_POINT] ?? '';
    assert.equal(holders.length, canMount ? 2 : 0);
  });
  assert.deepEqual(holders.filter(isAlive), []);
  assert.ok(!existsSync(folder));
});

it('the local Tsuru binds a volume at once, or with a restart of the app, and lets it go with the app', async () => {
  await withTsuru({ volumePlans }, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'x:1');
    await createVolume(admin, 'tmpfs', {});
    const [before] = tsuru.units('my-app');
    const bind = (form: Readonly<Record<string, string>>) =>
      admin.call('POST', '/1.4/volumes/data/bind', { form: { App: 'my-app', MountPoint: '/data', ...form } });
    assert.equal((await bind({ NoRestart: 'true' })).status, 200);
    assert.equal(tsuru.units('my-app')[0]?.name, before?.name);
    const taken = await bind({ NoRestart: 'true' });
    assert.deepEqual([taken.status, taken.body], [409, 'volume already bound in mountpoint\n']);
    const app = JSON.parse((await admin.call('GET', '/1.0/apps/my-app')).body) as { volumeBinds: unknown };
    assert.deepEqual(app.volumeBinds, [
      { ID: { App: 'my-app', MountPoint: '/data', Volume: 'data' }, ReadOnly: false },
    ]);
    assert.match((await bind({ MountPoint: '/other', ReadOnly: 'true' })).body, /restarting my-app/);
    assert.notEqual(tsuru.units('my-app')[0]?.name, before?.name);
    const path = '/1.4/volumes/data/bind?App=my-app&NoRestart=true&MountPoint=';
    assert.equal((await admin.call('DELETE', `${path}/data`)).status, 200);
    const unbound = await admin.call('DELETE', `${path}/data`);
    assert.deepEqual([unbound.status, unbound.body], [404, 'volume bind not found\n']);
    await admin.call('DELETE', '/1.0/apps/my-app');
    assert.match((await admin.call('GET', '/1.4/volumes/data')).body, /"Binds":null/);
    assert.equal((await admin.call('DELETE', '/1.4/volumes/data')).status, 200);
    assert.equal((await admin.call('GET', '/1.4/volumes')).status, 204);
  });
});

const REFUSED: readonly (readonly [what: string, form: Readonly<Record<string, string>>, sentence: RegExp])[] = [
  ['a plan that is none', { 'Plan.Name': 'nosuch' }, /^volume-plan not present in pool constraint\n$/],
  ['a pool that is none', { Pool: 'nosuch' }, /^Pool does not exist\.\n$/],
  ['a team that is none', { TeamOwner: 'nosuch' }, /^team not found\n$/],
  ['a bad name', { Name: 'Data' }, /^Invalid volume name, /],
];

for (const [what, form, sentence] of REFUSED) {
  it(`refuses a volume with ${what}`, async () => {
    await withTsuru({}, async (_tsuru, admin) => {
      const good = { Name: 'data', Pool: 'dev', TeamOwner: 'shop', 'Plan.Name': 'tmpfs' };
      const reply = await admin.call('POST', '/1.4/volumes', { form: { ...good, ...form } });
      assert.match(reply.body, sentence);
    });
  });
}

/** An app with two units and a volume. */
async function withVolume(
  plan: string,
  options: VolumeOptions,
  test: (tsuru: LocalTsuru, admin: Client) => Promise<void>,
  mountPoint = MOUNT_POINT,
): Promise<void> {
  await withTsuru({ images, volumePlans, delays: { restartMs: 0 } }, async (tsuru, admin) => {
    await createVolume(admin, plan, options);
    await expect(admin.call('POST', '/1.0/apps', { json: { name: 'my-app', teamOwner: 'shop', pool: 'dev' } }), 201);
    const form = { App: 'my-app', MountPoint: mountPoint, NoRestart: 'true' };
    await expect(admin.call('POST', '/1.4/volumes/data/bind', { form }), 200);
    await deploy(admin);
    await expect(admin.call('PUT', '/1.0/apps/my-app/units', { form: { units: 1, process: 'web' } }), 200);
    await test(tsuru, admin);
  });
}

async function createVolume(admin: Client, plan: string, options: VolumeOptions): Promise<void> {
  const opts = Object.fromEntries(Object.entries(options).map(([name, value]) => [`Opts.${name}`, value]));
  const form = { Name: 'data', Pool: 'dev', TeamOwner: 'shop', 'Plan.Name': plan, ...opts };
  await expect(admin.call('POST', '/1.4/volumes', { form }), 201);
}

async function deploy(admin: Client): Promise<void> {
  await expect(admin.call('POST', '/1.0/apps/my-app/deploy', { form: { image: 'x:1', origin: 'image' } }), 200);
}

/** Where this process finds the volume of each unit. */
async function folders(tsuru: LocalTsuru, admin: Client, units: number): Promise<string[]> {
  const said = await saidVolumes(tsuru, admin, units);
  return tsuru.units('my-app').map(({ pid }, i) => {
    const folder = said[i]?.[MOUNT_POINT] ?? '';
    assert.equal(folder === MOUNT_POINT, canMount, `volumes: ${JSON.stringify(said)}`);
    return canMount ? `/proc/${pid ?? 0}/root${folder}` : folder;
  });
}

/** What each unit says that it was reported. */
async function saidVolumes(tsuru: LocalTsuru, admin: Client, units: number): Promise<Record<string, string>[]> {
  const names = tsuru.units('my-app').map(({ name }) => name);
  return until(`${units} units to say where their volumes are`, async () => {
    const { body } = await admin.call('GET', '/1.0/apps/my-app/log?lines=1000&source=web');
    const lines = JSON.parse(body) as { Message: string; Unit: string }[];
    const said = names.flatMap((name) => {
      const line = lines.findLast(({ Message, Unit }) => Unit === name && Message.startsWith('volumes '));
      return line === undefined ? [] : [JSON.parse(line.Message.slice('volumes '.length)) as Record<string, string>];
    });
    return said.length >= units && said;
  });
}

/** The size of the filesystem of a folder, in bytes. */
async function sizeOf(folder: string): Promise<number> {
  const { blocks, bsize } = await statfs(folder);
  return blocks * bsize;
}

function pidsOf(pattern: string, parent: number): number[] {
  const { stdout } = spawnSync('pgrep', ['-P', String(parent), '-f', pattern], { encoding: 'utf8' });
  return stdout.trim().split('\n').filter(Boolean).map(Number);
}
