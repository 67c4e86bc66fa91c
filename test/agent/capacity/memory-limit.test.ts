import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { readMemoryLimit, type MemoryLimit } from '../../../agent/capacity/memory-limit.ts';
import { temporaryFolder } from '../../support/folder.ts';

const MEMINFO = { 'proc/meminfo': 'MemTotal:        4096000 kB\nMemFree:         1000000 kB\n' };
const MACHINE = { kind: 'known', bytes: 4_096_000 * 1024, source: 'machine' };
const V2_MOUNT = '31 23 0:28 / /sys/fs/cgroup ro,nosuid shared:9 - cgroup2 cgroup rw,nsdelegate\n';
const V1_GROUPS =
  '9:name=systemd:/kubepods/pod1/c1\n4:memory:/kubepods/pod1/c1\n2:cpu,cpuacct:/kubepods/pod1/c1\n0::/\n';

/** What is read on a machine with these files. */
async function readFrom(files: Readonly<Record<string, string>>): Promise<MemoryLimit> {
  await using folder = await temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), text);
  }
  return await readMemoryLimit(folder.path);
}

describe('the memory limit', () => {
  it('is that of cgroup v2 as a container sees it, at the root of its namespace', async () => {
    const limit = await readFrom({
      ...MEMINFO,
      'proc/self/cgroup': '0::/\n',
      'proc/self/mountinfo': V2_MOUNT,
      'sys/fs/cgroup/memory.max': '268435456\n',
    });
    assert.deepEqual(limit, { kind: 'known', bytes: 268_435_456, source: 'cgroup v2' });
  });

  it('is the least on the way up, as a group may have none of its own', async () => {
    const limit = await readFrom({
      ...MEMINFO,
      'proc/self/cgroup': '0::/kubepods/pod1/c1\n',
      'proc/self/mountinfo': V2_MOUNT,
      'sys/fs/cgroup/kubepods/pod1/c1/memory.max': 'max\n',
      'sys/fs/cgroup/kubepods/pod1/memory.max': '134217728\n',
      'sys/fs/cgroup/kubepods/memory.max': '2147483648\n',
    });
    assert.deepEqual(limit, { kind: 'known', bytes: 134_217_728, source: 'cgroup v2' });
  });

  it('is that of cgroup v1 when the whole tree is mounted', async () => {
    const limit = await readFrom({
      ...MEMINFO,
      'proc/self/cgroup': V1_GROUPS,
      'proc/self/mountinfo': '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n',
      'sys/fs/cgroup/memory/kubepods/pod1/c1/memory.limit_in_bytes': '536870912\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    });
    assert.deepEqual(limit, { kind: 'known', bytes: 536_870_912, source: 'cgroup v1' });
  });

  it('is that of cgroup v1 when a container sees only its own end of the tree', async () => {
    const limit = await readFrom({
      ...MEMINFO,
      'proc/self/cgroup': V1_GROUPS,
      'proc/self/mountinfo':
        '35 31 0:32 /kubepods/pod1/c1 /sys/fs/cgroup/memory ro,relatime master:16 - cgroup cgroup rw,memory\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '536870912\n',
    });
    assert.deepEqual(limit, { kind: 'known', bytes: 536_870_912, source: 'cgroup v1' });
  });

  it('is found below where a part of the tree is mounted', async () => {
    const limit = await readFrom({
      ...MEMINFO,
      'proc/self/cgroup': V1_GROUPS,
      'proc/self/mountinfo': '35 31 0:32 /kubepods/pod1 /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n',
      'sys/fs/cgroup/memory/c1/memory.limit_in_bytes': '402653184\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '536870912\n',
    });
    assert.deepEqual(limit, { kind: 'known', bytes: 402_653_184, source: 'cgroup v1' });
  });

  it("is the machine's memory when no group limits it, the huge number of v1 and max included", async () => {
    assert.deepEqual(await readFrom(MEMINFO), MACHINE);
    const unlimited = await readFrom({
      ...MEMINFO,
      'proc/self/cgroup': V1_GROUPS,
      'proc/self/mountinfo': `35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n${V2_MOUNT}`,
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'sys/fs/cgroup/memory.max': 'max\n',
    });
    assert.deepEqual(unlimited, MACHINE);
  });

  it("is the machine's memory when a group's limit is above it", async () => {
    const limit = await readFrom({
      ...MEMINFO,
      'proc/self/cgroup': '0::/\n',
      'proc/self/mountinfo': V2_MOUNT,
      'sys/fs/cgroup/memory.max': '99999999999999\n',
    });
    assert.deepEqual(limit, MACHINE);
  });

  it('is unknown, with the reason, when neither a control group nor the machine has it', async () => {
    assert.equal((await readFrom({})).kind, 'unknown');
    const unlimited = await readFrom({
      'proc/self/cgroup': V1_GROUPS,
      'proc/self/mountinfo': '35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    });
    assert.equal(unlimited.kind, 'unknown');
  });

  it('is known on the machine of this test', async () => {
    assert.equal((await readMemoryLimit()).kind, 'known');
  });
});
