import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createTargetFile } from '../../../agent/targets/target-file.ts';
import { parseGroups, renderFile, renderGroup } from '../../../agent/discovery/target-group.ts';
import { temporaryFolder } from '../../support/folder.ts';

/** The time of change in seconds. */
async function seconds(path: string): Promise<number> {
  return (await stat(path)).mtimeMs / 1000;
}

describe('the target file', () => {
  it('is there whole, for everybody to read, with nothing beside it in the watched folder', async () => {
    await using folder = await temporaryFolder();
    const file = createTargetFile(folder.path, Date.now);
    assert.equal((await file.write('one')).written, true);
    assert.equal(await readFile(file.path, 'utf8'), 'one');
    assert.equal((await stat(file.path)).mode & 0o777, 0o644);
    assert.deepEqual(await readdir(join(folder.path, 'targets')), ['apps.json']);
    assert.deepEqual(await readdir(join(folder.path, 'tmp')), []);
  });

  it('is not written when it holds the text already, also from an earlier run', async () => {
    await using folder = await temporaryFolder();
    const file = createTargetFile(folder.path, Date.now);
    await file.write('one');
    const before = await stat(file.path);
    assert.equal((await file.write('one')).written, false);
    assert.equal((await createTargetFile(folder.path, Date.now).write('one')).written, false);
    assert.equal((await stat(file.path)).ino, before.ino);
  });

  it('is put in place again as the same version, and not without one', async () => {
    await using folder = await temporaryFolder();
    const file = createTargetFile(folder.path, Date.now);
    await file.putAgain();
    assert.equal(await file.read(), undefined);
    const { seconds: version } = await file.write('one');
    const before = await stat(file.path);
    await file.putAgain();
    const after = await stat(file.path);
    assert.notEqual(after.ino, before.ino);
    assert.deepEqual([await file.read(), await seconds(file.path), after.mode], ['one', version, before.mode]);
    assert.deepEqual(await file.write('one'), { written: false, seconds: version });
  });

  it('gets a distinct second for each version, also when the clock stands still or jumps back', async () => {
    await using folder = await temporaryFolder();
    let wallMs = 1_000_000_900;
    const file = createTargetFile(folder.path, () => wallMs);
    const versions: number[] = [];
    for (const text of ['a', 'b', 'c']) {
      await file.write(text);
      versions.push(await seconds(file.path));
    }
    wallMs -= 3_600_000;
    await createTargetFile(folder.path, () => wallMs).write('d');
    versions.push(await seconds(file.path));
    assert.deepEqual(versions, [1_000_000, 1_000_001, 1_000_002, 1_000_003]);
  });

  it('is written again when somebody removed or changed it', async () => {
    await using folder = await temporaryFolder();
    const file = createTargetFile(folder.path, Date.now);
    await file.write('one');
    await writeFile(file.path, 'two');
    assert.equal((await file.write('one')).written, true);
    await utimes(file.path, 1, 1);
    assert.equal((await file.write('one')).written, false, 'a touched file holds the text still');
    await rm(folder.path, { recursive: true });
    assert.equal((await file.write('one')).written, true);
    assert.equal(await readFile(file.path, 'utf8'), 'one');
  });

  it('stays as it was when a new one cannot be made', async () => {
    await using folder = await temporaryFolder();
    const file = createTargetFile(folder.path, Date.now);
    await file.write('one');
    await rm(join(folder.path, 'tmp'), { recursive: true });
    await writeFile(join(folder.path, 'tmp'), 'a file where the folder should be');
    await assert.rejects(file.write('two'));
    assert.equal(await readFile(file.path, 'utf8'), 'one');
    await rm(join(folder.path, 'tmp'));
    assert.equal((await file.write('two')).written, true);
  });
});

describe('target groups', () => {
  const groups = [
    { targets: ['10.0.0.1:8888'], labels: { __meta_tsuru_app: 'a', __meta_tsuru_unit: 'a-1' } },
    { targets: ['10.0.0.2:8888'], labels: { __meta_tsuru_app: 'b', __meta_tsuru_unit: 'b-1' } },
  ];

  it('come back from the file as they were', () => {
    assert.deepEqual([...parseGroups(renderFile(groups.map(renderGroup))).values()].flat(), groups);
  });

  it('are one empty group when there are none', () => {
    assert.equal(renderFile([]), '[{"targets": []}]\n');
    assert.equal(parseGroups(renderFile([])).size, 0);
  });

  it('are not read from a file that is cut or of another shape', () => {
    const text = renderFile(groups.map(renderGroup));
    for (const other of ['', 'null', '{}', '[{}]', '[{"targets":["x"],"labels":{}}]', text.slice(0, -5)]) {
      assert.throws(() => parseGroups(other), Error, other);
    }
  });
});
