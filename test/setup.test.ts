import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './support/folder.ts';
import { startProgram } from './support/program.ts';

const SETUP = fileURLToPath(new URL('setup.mjs', import.meta.url));

/**
 * Runs the set-up on a machine that has these programs only, each a script that prints its arguments and ends with this code.
 */
async function runSetup(
  programs: Readonly<Record<string, number>>,
  word = 'prometheus',
): Promise<{ exit: number | string; text: string }> {
  await using folder = await temporaryFolder();
  const bin = join(folder.path, 'bin');
  await mkdir(bin);
  for (const [name, exit] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\necho "${name} $*" >&2\nexit ${exit}\n`, { mode: 0o755 });
  }
  await symlink('/bin/sh', join(bin, 'sh'));
  const script = `PATH="$0" exec "$@"`;
  const program = startProgram({
    command: '/bin/sh',
    args: ['-c', script, bin, process.execPath, SETUP, word],
  });
  return { exit: await program.end, text: program.lines.join('\n') };
}

describe('the set-up of a machine', () => {
  it('does nothing where everything is installed', async () => {
    assert.deepEqual(await runSetup({ prometheus: 0, promtool: 0 }), { exit: 0, text: '' });
  });

  it('says what to install where there is no apt-get', async () => {
    const { exit, text } = await runSetup({});
    assert.equal(exit, 1);
    assert.match(
      text,
      /^Prometheus is missing: put "prometheus" and "promtool" .* on your PATH, then run this again\.$/,
    );
  });

  it('installs what the tests have an instance send to, or says what to install', async () => {
    const stores = { 'victoria-metrics': 0, 'prometheus-alertmanager': 0 };
    assert.deepEqual(await runSetup(stores, 'stores'), { exit: 0, text: '' });
    const { exit, text } = await runSetup({ 'victoria-metrics': 0 }, 'stores');
    assert.equal(exit, 1);
    assert.match(text, /is missing: put "victoria-metrics" .* and "prometheus-alertmanager" .* on your PATH/);
    const { text: tried } = await runSetup({ 'apt-get': 100 }, 'stores');
    assert.match(tried, /install victoria-metrics prometheus-alertmanager/);
  });

  it('installs the browser that tests look with, or says what to install', async () => {
    assert.deepEqual(await runSetup({ chromium: 0 }, 'browser'), { exit: 0, text: '' });
    const { exit, text } = await runSetup({}, 'browser');
    assert.equal(exit, 1);
    assert.match(text, /^Chromium is missing: put "chromium" on your PATH/);
  });

  it("shows apt-get's own words where that fails", async () => {
    const { exit, text } = await runSetup({ 'apt-get': 100 });
    assert.equal(exit, 1);
    assert.match(
      text,
      process.getuid?.() === 0
        ? /apt-get .*install prometheus[^]*could not be installed/
        : /sudo apt-get install prometheus/,
    );
  });
});
