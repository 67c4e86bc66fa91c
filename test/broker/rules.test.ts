import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { createAssertRules } from '../../broker/instances/rules.ts';
import { temporaryFolder } from '../support/folder.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { APP, startStage, type Stage } from './stage.ts';

const GOOD = 'groups:\n- name: shop\n  rules:\n  - &a {alert: down, expr: up == 0}\n  - {<<: *a, alert: slow}\n';
const BAD = GOOD.replace('up == 0', 'sum(up');

async function settingsOf({ admin }: Stage): Promise<string | undefined> {
  const reply = await admin.call('GET', `/1.0/apps/${APP}`);
  if (reply.status === 404) return undefined;
  const { metadata } = JSON.parse(reply.body) as { metadata: { annotations: { name: string; value: string }[] } };
  return metadata.annotations.find(({ name }) => name === 'prometheus-service/settings')?.value;
}

describe('rules that a user gives', () => {
  it('are refused in the words of promtool when an instance is added, and nothing is made', async () => {
    await using stage = await startStage();
    const { status, body } = await stage.add('my-instance', { 'parameters.rules': BAD });
    assert.notEqual(status, 201);
    assert.match(body, /rules cannot be used: [\d: ]*group "shop", rule 1, "down": .*unclosed left parenthesis/);
    assert.doesNotMatch(body, /\/rules|; rules:/);
    assert.equal(await settingsOf(stage), undefined);
  });

  it('are refused in an update, and the ones before stay', async () => {
    await using stage = await startStage();
    await expect(stage.add('my-instance', { 'parameters.rules': GOOD }), 201);
    const before = await settingsOf(stage);
    assert.match(before ?? '', /<<: \*a/, 'the text is kept as it was typed');
    const { status, body } = await stage.update('my-instance', { 'parameters.rules': BAD });
    assert.notEqual(status, 200);
    assert.match(body, /rules cannot be used: .*unclosed left parenthesis/);
    assert.equal(await settingsOf(stage), before);
  });

  it('are left to the agent while promtool is missing, and the log says so', async () => {
    await using stage = await startStage({ environment: { PATH: '/nowhere' } });
    await expect(stage.add('my-instance', { 'parameters.rules': BAD }), 201);
    assert.match((await settingsOf(stage)) ?? '', /sum\(up/);
    assert.equal(stage.lines.filter((line) => line.includes('promtool did not check the rules')).length, 1);
  });

  it('are no longer checked when the broker stops, without a warning', async () => {
    await using folder = await temporaryFolder();
    const asked = join(folder.path, 'asked');
    await writeFile(join(folder.path, 'promtool'), `#!/bin/sh\n: > ${asked}\nexec /bin/sleep 60\n`);
    await chmod(join(folder.path, 'promtool'), 0o755);
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line) => lines.push(line) });
    const stop = new AbortController();
    const checked = createAssertRules(folder.path, log)(GOOD, stop.signal);
    await until('promtool', () => existsSync(asked));
    stop.abort(new Error('the broker stops'));
    await assert.rejects(checked, /the broker stops/);
    assert.deepEqual(lines, []);
  });
});
