import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LARGEST_FILE_BYTES, pemOf, readAuthorities } from '../../../agent/shared/authorities.ts';
import { makeAuthority, type Authority } from '../../support/authority.ts';
import { temporaryFolder } from '../../support/folder.ts';

const NOW = Date.now();

function read(value: string, mostBytes = LARGEST_FILE_BYTES) {
  return readAuthorities(value, mostBytes, NOW);
}

function problemOf(value: string, mostBytes?: number): string {
  const result = read(value, mostBytes);
  assert.ok(!result.ok);
  assert.ok(result.problem.startsWith('CA_CERTIFICATES ') && result.problem.endsWith('.'), result.problem);
  assert.doesNotMatch(result.problem, /BEGIN \w+.*\n/);
  return result.problem;
}

describe('the private CAs', () => {
  const stack = new AsyncDisposableStack();
  let authority: Authority;
  let other: Authority;
  let folder: string;

  before(async () => {
    authority = stack.use(await makeAuthority());
    other = stack.use(await makeAuthority('Another CA'));
    folder = stack.use(await temporaryFolder()).path;
  });
  after(() => stack.disposeAsync());

  it('are read from a text or a file, one or many, whatever stands between them', async () => {
    const both = `# the first\n${authority.pem}\nand\r\n${other.pem.replaceAll('\n', '\r\n')}`;
    await writeFile(join(folder, 'both.pem'), both);
    for (const value of [both, join(folder, 'both.pem'), both.replaceAll('\r', '').replaceAll('\n', '\\n')]) {
      const result = read(value);
      assert.ok(result.ok, JSON.stringify(result));
      assert.deepEqual(result.authorities.certificates.length, 2);
      assert.deepEqual(result.authorities.warnings, []);
      assert.equal(pemOf(result.authorities), `${authority.pem}${other.pem}`.trimEnd());
    }
    assert.deepEqual(read(''), { ok: true, authorities: { certificates: [], warnings: [] } });
  });

  it('are refused in one sentence when they cannot be used', async () => {
    await writeFile(join(folder, 'empty.pem'), '');
    const { cert } = await authority.issue('127.0.0.1');
    const cut = authority.pem.slice(0, authority.pem.length / 2);
    const broken = authority.pem.replace(/^MI..../m, 'AAAAAA');
    assert.match(problemOf(join(folder, 'none.pem')), /cannot be read \(ENOENT.*mount it there/);
    assert.match(problemOf(folder), /cannot be read \(EISDIR/);
    assert.match(problemOf('ca.pem'), /must be certificates in PEM .*absolute path/);
    assert.match(problemOf(join(folder, 'empty.pem')), /holds no certificate/);
    assert.match(problemOf(cut), /holds 1 certificates, of which 1 do not end/);
    assert.match(problemOf(`${authority.pem}${cut}`), /of which 1 do not end/);
    assert.match(problemOf(`${authority.pem}${broken}`), /no certificate, certificate 2 of 2/);
    assert.match(problemOf(`${authority.pem}${authority.keyPem}`), /holds a private key/);
    assert.match(
      problemOf(cert),
      /not of a CA, certificate 1 of 1, CN=127\.0\.0\.1: give that of its issuer, CN=Private CA/,
    );
    assert.match(
      problemOf(authority.pem.repeat(200), 64 * 1024),
      /larger than 64 KiB \(\d+ KiB\): give the private CAs only/,
    );
  });

  it('are used though one has expired, which is reported', async () => {
    await using expired = await makeAuthority('Old CA', true);
    const result = read(`${authority.pem}${expired.pem}`);
    assert.ok(result.ok, JSON.stringify(result));
    assert.equal(result.authorities.certificates.length, 2);
    assert.equal(result.authorities.warnings.length, 1);
    assert.match(result.authorities.warnings[0] ?? '', /expired on .*2020.*certificate 2 of 2, CN=Old CA\.$/);
  });
});
