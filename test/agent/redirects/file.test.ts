import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { createLearnedPathsFile } from '../../../agent/redirects/file.ts';
import { temporaryFolder } from '../../support/folder.ts';

it('learned paths are read as they were saved, and an invalid file is reported and ignored', async () => {
  await using folder = await temporaryFolder();
  const file = createLearnedPathsFile(folder.path);
  assert.deepEqual(await file.load(), { paths: new Map() });
  const path = {
    ...{ app: 'shop', process: 'web', from: '/metrics', asked: ['/metrics'] },
    to: { path: '/metrics/', query: { format: 'text' } },
  };
  await file.save([path]);
  assert.deepEqual([...(await file.load()).paths.values()], [path]);
  for (const text of ['', '{', '[]', '{"format":2,"paths":[]}', '{"format":1,"paths":[{}]}', '{"format":1}']) {
    await writeFile(join(folder.path, 'redirects.json'), text);
    const { paths, problem } = await file.load();
    assert.equal(paths.size, 0, text);
    assert.match(problem ?? '', /^the learned paths cannot be read, so they are learned again: /);
  }
});
