// Runs the commands of broker/README.md.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { commandsOf, startShell } from '../support/shell.ts';
import { until } from '../support/until.ts';
import { createApp } from '../tsuru/client.ts';

const README = new URL('../../broker/README.md', import.meta.url);
/** In the README, where Tsuru reaches the broker. */
const ENDPOINT = 'http://prometheus-broker.example.com';

/** The block of commands of the README that begins so, without prompts and remarks. */
async function commandsFrom(start: string): Promise<string> {
  const blocks = (await readFile(README, 'utf8')).split(/^ *```[a-z]*\n/m);
  const block = blocks.find((one) => one.trimStart().startsWith(start));
  assert.ok(block !== undefined, start);
  return commandsOf(block);
}

describe('the commands of broker/README.md', () => {
  it('that a set-up prints make a service that works, as the check says in the app of the broker', async () => {
    await using shell = await startShell();
    const script = await commandsFrom('tsuru team-create my-admins');
    const [roles = '', rest = ''] = script.split('# The token that token-create has printed');
    const made = await shell.run(roles);
    assert.equal(made.exitCode, 0, made.out);
    const token = made.out.trim().split('\n').at(-1) ?? '';
    const [app = '', service = ''] = rest.split('# The endpoint is where');
    // One shell, as its variables are for both; the app's unit has an address once it is deployed.
    const where = `endpoint=http://$(tsuru unit-address prometheus-broker)\n`;
    const script2 = `#${app}\n${where}#${service.replaceAll(ENDPOINT, '$endpoint')}`;
    const done = await shell.run(script2, `${token}\n`);
    assert.equal(done.exitCode, 0, done.out);
    const checked = await shell.run(await commandsFrom('$ tsuru app-run -a prometheus-broker "broker check"'));
    assert.deepEqual([checked.exitCode, checked.out.match(/^PROBLEM.*/gm)], [0, null], checked.out);
  });

  it('that set it up and that users type work one after the other', async () => {
    await using shell = await startShell();
    const { tsuru, admin } = shell;
    const setUp = (await commandsFrom('$ export TSURU_TARGET='))
      .replace('TSURU_TARGET=https://tsuru.example.com ', '')
      .replace(
        'npm run broker -- setup',
        "broker setup --endpoint 'http://{unit}' --env 'BROKER_INSTANCE_URL=http://{unit}'",
      );
    const made = await shell.run(setUp);
    assert.equal(made.exitCode, 0, made.out);
    assert.match(made.out, /^The service is ready\./m);
    await expect(admin.call('POST', '/1.0/teams', { form: { name: 'my-team' } }), 201);
    await createApp(admin, 'my-app', 'shop/app:1');
    const lines = (await commandsFrom('$ tsuru service-instance-add')).split('\n').filter((line) => line.trim() !== '');
    for (const line of lines) {
      const { exitCode, out } = await shell.run(line);
      assert.equal(exitCode, 0, `${line}\n${out}`);
      if (line.includes('service-instance-add'))
        await until('a unit', () => tsuru.units('prometheus-my-instance').length > 0);
    }
    const { body } = await admin.call('GET', '/1.0/apps/prometheus-my-instance');
    const { plan } = JSON.parse(body) as { plan: { name: string } };
    assert.equal(plan.name, 'c1m4', 'the last command chose another plan');
    for (const command of ['check --app prometheus-broker', 'list', 'upgrade --dry-run', 'reconcile --dry-run']) {
      const run = await shell.run(`tsuru app-run -a prometheus-broker "broker ${command}"`);
      assert.equal(run.exitCode, 0, run.out);
    }
  });
});
