import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createStaging, readRules } from '../../../../agent/prometheus/configuration/files.ts';
import { temporaryFolder } from '../../../support/folder.ts';

const RULES = [{ name: 'a.yml', text: 'groups: []\n' }];

describe('the folder of the configuration', () => {
  it('has none before the first, and the last one after that', async () => {
    await using folder = await temporaryFolder();
    const staging = createStaging(folder.path);
    assert.equal(await staging.current(), undefined);
    await staging.replace('global: {}\n');
    assert.equal(await staging.current(), 'global: {}\n');
    assert.equal(await readFile(staging.configFile, 'utf8'), 'global: {}\n');
  });

  it('tells that a configuration cannot be read, which is not that there is none', async () => {
    await using folder = await temporaryFolder();
    const staging = createStaging(folder.path);
    await mkdir(staging.configFile, { recursive: true });
    await assert.rejects(staging.current(), { code: 'EISDIR' });
  });

  it('keeps the configuration when another one is staged or cannot be put in its place', async () => {
    await using folder = await temporaryFolder();
    const staging = createStaging(folder.path);
    await staging.replace('first');
    const candidate = await staging.stageConfig('second');
    assert.equal(await readFile(candidate, 'utf8'), 'second');
    assert.equal(await staging.current(), 'first');
    await mkdir(join(folder.path, 'tmp', 'prometheus.yml', 'in-the-way'), { recursive: true });
    await assert.rejects(staging.replace('third'));
    assert.equal(await staging.current(), 'first');
  });

  it('has one copy of the same rules, which is not written again, and another of others', async () => {
    await using folder = await temporaryFolder();
    const staging = createStaging(folder.path);
    const pattern = await staging.stageRules(RULES);
    const copy = pattern.replace('*', 'a.yml');
    assert.equal(await readFile(copy, 'utf8'), 'groups: []\n');
    const { ino } = await stat(copy);
    assert.equal(await staging.stageRules(RULES), pattern);
    assert.equal((await stat(copy)).ino, ino);
    const renamed = [{ name: 'b.yml', text: 'groups: []\n' }];
    assert.notEqual(await staging.stageRules(renamed), pattern, 'a name counts, too');
  });

  it('completes a copy of rules that a crash left incomplete', async () => {
    await using folder = await temporaryFolder();
    const staging = createStaging(folder.path);
    const both = [...RULES, { name: 'b.yml', text: 'groups: []\n' }];
    const pattern = await staging.stageRules(both);
    await rm(pattern.replace('*', 'b.yml'));
    await staging.stageRules(both);
    assert.deepEqual((await readdir(pattern.replace('/*', ''))).sort(), ['a.yml', 'b.yml']);
  });

  it('loses only the candidate and copies of rules that no configuration uses', async () => {
    await using folder = await temporaryFolder();
    const staging = createStaging(folder.path);
    const used = await staging.stageRules(RULES);
    await staging.stageRules([{ name: 'a.yml', text: 'other' }]);
    await staging.stageConfig('candidate');
    await staging.replace(`rule_files: [${used}]`);
    await writeFile(join(folder.path, 'config', 'mine.txt'), '');
    await staging.removeUnused(['nothing', `rule_files: [${used}]`]);
    assert.deepEqual(
      (await readdir(join(folder.path, 'config'))).sort(),
      ['mine.txt', 'prometheus.yml', used.split('/').at(-2)].sort(),
    );
  });
});

describe('the rules of a folder', () => {
  it('are empty where there is no folder', async () => {
    await using folder = await temporaryFolder();
    assert.deepEqual(await readRules(join(folder.path, 'missing')), []);
  });

  it('are its .yml and .yaml files in the order of their names, without hidden ones', async () => {
    await using folder = await temporaryFolder();
    for (const name of ['b.yml', 'a.yaml', '.hidden.yml', 'notes.txt', 'c.yml.bak', 'd.yml~'])
      await writeFile(join(folder.path, name), name);
    assert.deepEqual(await readRules(folder.path), [
      { name: 'a.yaml', text: 'a.yaml' },
      { name: 'b.yml', text: 'b.yml' },
    ]);
  });

  it('are an error when one cannot be read, as the others alone are not the rules', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'a.yml'), '');
    await mkdir(join(folder.path, 'b.yml'));
    await assert.rejects(readRules(folder.path), { code: 'EISDIR' });
  });

  it('are an error when all together are larger than 16 MiB, and fine when just as large', async () => {
    await using folder = await temporaryFolder();
    const half = '#'.repeat(8 * 2 ** 20);
    await writeFile(join(folder.path, 'a.yml'), half);
    await writeFile(join(folder.path, 'b.yml'), half);
    assert.equal((await readRules(folder.path)).length, 2);
    await writeFile(join(folder.path, 'c.yml'), '#');
    await assert.rejects(readRules(folder.path), /larger than 16 MiB/);
  });
});
