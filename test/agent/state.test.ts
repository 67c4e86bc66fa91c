import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createStateFile } from '../../agent/tsuru/state.ts';
import { temporaryFolder } from '../support/folder.ts';

const app = { name: 'my-app', pool: 'default', team: 'shop', annotations: {}, labels: {} };
const KNOWN = new Map([['my-app', { app, units: [], held: [] }]]);

/** Each is what a disk, a crash or a person can make of a file. */
const DAMAGES: readonly (readonly [string, (text: string) => string, RegExp])[] = [
  ['another app in it', (text) => text.replaceAll('my-app', 'no-app'), /its checksum is wrong/],
  ['a digit changed', (text) => text.replace('shop', 'shot'), /its checksum is wrong/],
  ['its end cut off', (text) => text.slice(0, -20), /its checksum is wrong/],
  ['its second line missing', (text) => `${text.split('\n')[0] ?? ''}\n`, /its checksum is wrong/],
  ['another checksum', (text) => text.replace(/"sha256":"./, '"sha256":"z'), /its checksum is wrong/],
  ['no checksum', (text) => text.replace(/,"sha256":"[^"]*"/, ''), /its checksum is wrong/],
  ['another format', (text) => text.replace('"format":1', '"format":2'), /its format is 2, and this agent reads 1/],
  ['nothing in it', () => '', /JSON/],
];

describe('the saved state', () => {
  it('is read as it was written', async () => {
    await using folder = await temporaryFolder();
    await createStateFile(folder.path).save(KNOWN);
    const { known, problem } = await createStateFile(folder.path).load();
    assert.equal(problem, undefined);
    assert.deepEqual(known?.get('my-app')?.app, app);
  });

  for (const [title, damage, expected] of DAMAGES)
    it(`with ${title} is set aside, and that is reported`, async () => {
      await using folder = await temporaryFolder();
      const path = join(folder.path, 'state.json');
      await createStateFile(folder.path).save(KNOWN);
      const damaged = damage(await readFile(path, 'utf8'));
      await writeFile(path, damaged);
      const { known, problem } = await createStateFile(folder.path).load();
      assert.equal(known, undefined);
      assert.match(problem ?? '', expected);
      assert.equal(await readFile(`${path}.corrupt`, 'utf8'), damaged);
      assert.equal(existsSync(path), false);
    });
});
