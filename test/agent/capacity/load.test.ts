import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createLoadFile, loadBetween } from '../../../agent/capacity/load.ts';
import { temporaryFolder } from '../../support/folder.ts';

describe('the load of Prometheus', () => {
  it('is measured over a minute and more, and not across a restart', () => {
    const before = { atMs: 0, series: 10, samples: 1_000 };
    assert.deepEqual(loadBetween(before, { atMs: 100_000, series: 20, samples: 6_000 }), {
      series: 20,
      samplesPerSecond: 50,
    });
    assert.equal(loadBetween(before, { atMs: 59_000, series: 20, samples: 6_000 }), undefined);
    assert.equal(loadBetween(before, { atMs: 100_000, series: 20, samples: 999 }), undefined);
  });

  it('is saved for the next start, and not again while it is about the same', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'load.json');
    const file = createLoadFile(folder.path);
    assert.equal(await file.load(), undefined);
    await file.save({ series: 100, samplesPerSecond: 10 });
    const { mtimeMs, ino } = await stat(path);
    await file.save({ series: 119, samplesPerSecond: 9 });
    assert.deepEqual([(await stat(path)).mtimeMs, (await stat(path)).ino], [mtimeMs, ino]);
    await file.save({ series: 130, samplesPerSecond: 10 });
    assert.deepEqual(await createLoadFile(folder.path).load(), { series: 130, samplesPerSecond: 10 });
  });

  for (const text of [
    '',
    '{',
    '[]',
    '{"series":-1,"samplesPerSecond":1}',
    '{"series":1}',
    '{"series":"1","samplesPerSecond":1}',
  ]) {
    it(`is measured again when the file is ${text === '' ? 'empty' : text}`, async () => {
      await using folder = await temporaryFolder();
      await writeFile(join(folder.path, 'load.json'), text);
      const file = createLoadFile(folder.path);
      assert.equal(await file.load(), undefined);
      await file.save({ series: 1, samplesPerSecond: 2 });
      assert.equal(await readFile(join(folder.path, 'load.json'), 'utf8'), '{"series":1,"samplesPerSecond":2}');
    });
  }
});
