import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from './support/folder.ts';
import { until } from './support/until.ts';
import { silentImages, startWorld } from './support/world.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

describe('what ships', () => {
  it('compiled, follows an app as the source does', async () => {
    await using dist = await temporaryFolder();
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    await promisify(execFile)(process.execPath, [tsc, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', dist.path]);
    await symlink(join(ROOT, 'node_modules'), join(dist.path, 'node_modules'));
    await mkdir(join(dist.path, 'image'));
    await cp(join(ROOT, 'image', 'prometheus.yml'), join(dist.path, 'image', 'prometheus.yml'));

    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    const agent = await world.startAgent({ main: join(dist.path, 'agent', 'main.js') });
    const prometheus = await world.startPrometheus();
    await until('2 targets in sync', async () => (await agent.status()).sync.inSync);
    assert.equal((await prometheus.targets()).length, 2);
  });
});
