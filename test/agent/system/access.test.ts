import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { basicHeader } from '../../../agent/shared/basic-auth.ts';
import { createAccess, readHanded, type Access } from '../../../agent/system/access.ts';
import { temporaryFolder } from '../../support/folder.ts';

const USER = 'prometheus';
const GIVEN = { token: 'token-of-the-environment', password: 'password-of-the-environment' };
const NEW = 'password-that-is-new';
const NEWEST = 'password-that-is-newest';

async function start(dataFolder: string, given = GIVEN, secrets: string[] = []): Promise<Access> {
  const credentials = { username: USER, password: given.password };
  return createAccess({ dataFolder, token: given.token, credentials, secrets });
}

function verdict(access: Access, password: string): string | undefined {
  return access.verdictOf?.(basicHeader({ username: USER, password }));
}

describe('the access of an agent', () => {
  it('is what the environment says until something is handed over, which is then kept from all lines and pages', async () => {
    await using folder = await temporaryFolder();
    const secrets: string[] = [];
    const access = await start(folder.path, GIVEN, secrets);
    assert.deepEqual(
      [access.token(), verdict(access, GIVEN.password), verdict(access, NEW)],
      [GIVEN.token, 'right', 'wrong'],
    );
    assert.equal(access.verdictOf?.(undefined), 'none');
    await access.take({ token: 'a-new-token', password: NEW });
    assert.equal(access.token(), 'a-new-token');
    assert.deepEqual(secrets, ['a-new-token', NEW]);
  });

  it('has the old and the new password right until the new one is used', async () => {
    await using folder = await temporaryFolder();
    const access = await start(folder.path);
    await access.take({ password: NEW });
    assert.deepEqual([verdict(access, GIVEN.password), verdict(access, 'neither-of-the-two')], ['right', 'wrong']);
    assert.equal(verdict(access, NEW), 'right');
    assert.equal(verdict(access, GIVEN.password), 'wrong');
    await access.take({ password: NEWEST });
    assert.deepEqual(
      [verdict(access, NEW), verdict(access, NEWEST), verdict(access, NEW)],
      ['right', 'right', 'wrong'],
    );
  });

  it('outlives a restart of the process, and ends with a unit whose environment is newer', async () => {
    await using folder = await temporaryFolder();
    const first = await start(folder.path);
    await first.take({ token: 'a-new-token', password: NEW });
    const secrets: string[] = [];
    const second = await start(folder.path, GIVEN, secrets);
    assert.deepEqual([second.token(), verdict(second, NEW)], ['a-new-token', 'right']);
    assert.deepEqual(secrets, ['a-new-token', NEW]);
    // Its file is written by one at a time.
    await second.take({ token: 'a-new-token' });
    const newer = { token: 'a-new-token', password: NEW };
    const third = await start(folder.path, newer);
    await third.take({ token: 'the-next-token' });
    assert.equal((await start(folder.path, newer)).token(), 'the-next-token');
    assert.equal((await start(folder.path)).token(), GIVEN.token);
  });

  it('is in a file that only its user reads', async () => {
    await using folder = await temporaryFolder();
    const access = await start(folder.path);
    await access.take({ token: 'a-new-token' });
    const path = join(folder.path, 'access.json');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.ok(!(await readFile(path, 'utf8')).includes(GIVEN.token));
  });

  it('is that of the environment where the file is damaged', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'access.json'), '{"token": {"of": 7');
    assert.equal((await start(folder.path)).token(), GIVEN.token);
  });

  it('changes nothing where it cannot be kept', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'file');
    await writeFile(file, '');
    const access = await start(join(file, 'below'));
    await assert.rejects(access.take({ password: NEW }), /ENOTDIR/);
    assert.deepEqual([verdict(access, GIVEN.password), verdict(access, NEW)], ['right', 'wrong']);
  });
});

describe('what is handed over', () => {
  it('is a token, a password, or both, and nothing else', () => {
    assert.deepEqual(readHanded('{"token": "abc"}'), { token: 'abc' });
    assert.deepEqual(readHanded(`{"token": "abc", "password": "${NEW}"}`), { token: 'abc', password: NEW });
    for (const body of [
      '',
      '{}',
      '[]',
      'null',
      '{"token": 7}',
      '{"token": ""}',
      '{"token": "a b"}',
      '{"password": "short"}',
    ])
      assert.equal(readHanded(body), undefined, body);
    assert.equal(readHanded('{"token": "abc", "user": "x"}'), undefined);
  });
});
