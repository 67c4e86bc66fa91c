// What docs/users.md tells users to do is what the agent tells them, and what promtool accepts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Target } from '../agent/discovery/discover.ts';
import { remediesFor } from '../agent/report/scrape-remedies.ts';
import { temporaryFolder } from './support/folder.ts';
import { unit } from './support/known-apps.ts';

const run = promisify(execFile);
const USERS = new URL('../docs/users.md', import.meta.url);

/** The code in a text, without its backticks. */
function codeIn(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) => [code]);
}

/** What the agent says of a worker whose scrapes fail so, at a port that nobody named. */
function remedyOf(error: string): string {
  const worker: Target = {
    unit: { ...unit('my-app-worker-1'), process: 'worker' },
    address: '10.0.0.1:8888',
    guessedPort: true,
    group: { targets: [], labels: {} },
  };
  const health = { health: 'down', lastError: error, lastScrape: '', pool: '', discovered: {} } as const;
  return remediesFor('my-app', [worker], () => health).join('\n');
}

describe('the page for users', () => {
  it('names what helps against failing scrapes as the agent does', async () => {
    const [, rows = ''] = /^\| Prometheus says .*\n\| -.*\n((?:\|.*\n)+)/m.exec(await readFile(USERS, 'utf8')) ?? [];
    const told = rows.trim().split('\n');
    assert.ok(told.length >= 5, rows);
    for (const row of told) {
      const [, says = '', helps = ''] = row.split('|');
      const [error = ''] = codeIn(says);
      const commands = codeIn(helps);
      assert.ok(commands.length > 0, row);
      for (const command of commands) assert.ok(remedyOf(error).includes(command), `${command}: ${remedyOf(error)}`);
    }
  });

  it('shows a file of rules that promtool accepts', async () => {
    const [, rules = ''] = /```yaml\n(# rules\.yml\n[^]*?)```/.exec(await readFile(USERS, 'utf8')) ?? [];
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'rules.yml');
    await writeFile(file, rules);
    const { stdout } = await run('promtool', ['check', 'rules', file]);
    assert.match(stdout, /SUCCESS: 1 rules found/);
  });
});
