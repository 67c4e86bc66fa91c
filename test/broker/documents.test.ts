// Runs the commands of broker/README.md against the local Tsuru, in a shell, with a stand-in for the tsuru client.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/folder.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { createApp, createClient, type Client } from '../tsuru/client.ts';
import type { Images } from '../tsuru/images.ts';
import { startTsuru, type LocalTsuru } from '../tsuru/server.ts';

const README = new URL('../../broker/README.md', import.meta.url);
const MAIN = fileURLToPath(new URL('../../broker/main.ts', import.meta.url));
const TSURU = fileURLToPath(new URL('../tsuru/tsuru.ts', import.meta.url));
const PLANS = new URL('../../broker/plans.yaml', import.meta.url);
const BROKER_IMAGE = 'example.com/prometheus-broker:0.1.0';
/** In the README, where Tsuru reaches the broker. */
const ENDPOINT = 'http://prometheus-broker.example.com';

const images: Images = (name) => {
  if (name !== BROKER_IMAGE) return { processes: { web: 'nothing' } };
  const start = `BROKER_ADDRESS=$TSURU_LOCAL_ADDRESS exec '${process.execPath}' '${MAIN}'`;
  return { exposes: 8888, healthcheck: { path: '/readyz' }, processes: { web: { argv: ['/bin/sh', '-c', start] } } };
};

interface Scene extends AsyncDisposable {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  /** Runs a script with the stand-ins `tsuru` and `broker` on its PATH, in a folder of its own. */
  run(script: string, input?: string): Promise<{ readonly exitCode: number | null; readonly out: string }>;
}

async function startScene(): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const tsuru = stack.adopt(await startTsuru({ images }), (one) => one.close());
  const folder = stack.use(await temporaryFolder());
  for (const [name, file] of [
    ['tsuru', TSURU],
    ['broker', MAIN],
  ] as const) {
    const path = join(folder.path, name);
    await writeFile(path, `#!/bin/sh\nexec '${process.execPath}' '${file}' "$@"\n`);
    await chmod(path, 0o755);
  }
  await copyFile(PLANS, join(folder.path, 'my-plans.yaml'));
  return {
    tsuru,
    admin: createClient(tsuru.url, tsuru.adminToken),
    async run(script, input = '') {
      const env = {
        TSURU_TARGET: tsuru.url,
        TSURU_TOKEN: tsuru.adminToken,
        PATH: `${folder.path}:${process.env['PATH'] ?? ''}`,
      };
      const child = spawn('bash', ['-e', '-u', '-o', 'pipefail', '-c', `exec 2>&1\n${script}`], {
        cwd: folder.path,
        env,
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      child.stdin.end(input);
      const [out] = await Promise.all([text(child.stdout), once(child, 'close')]);
      return { exitCode: child.exitCode, out };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The block of commands of the README that begins so, without prompts and remarks. */
async function commandsFrom(start: string): Promise<string> {
  const blocks = (await readFile(README, 'utf8')).split(/^ *```[a-z]*\n/m);
  const block = blocks.find((one) => one.trimStart().startsWith(start));
  assert.ok(block !== undefined, start);
  return block
    .split('\n')
    .map((line) => line.replace(/^\s*\$ /, '').replace(/ {2,}# .*$/, ''))
    .join('\n');
}

describe('the commands of broker/README.md', () => {
  it('that a set-up prints make a service that works, as the check says in the app of the broker', async () => {
    await using scene = await startScene();
    const script = await commandsFrom('tsuru team-create my-admins');
    const [roles = '', rest = ''] = script.split('# The token that token-create has printed');
    const made = await scene.run(roles);
    assert.equal(made.exitCode, 0, made.out);
    const token = made.out.trim().split('\n').at(-1) ?? '';
    const [app = '', service = ''] = rest.split('# The endpoint is where');
    // One shell, as its variables are for both; the app's unit has an address once it is deployed.
    const where = `endpoint=http://$(tsuru unit-address prometheus-broker)\n`;
    const script2 = `#${app}\n${where}#${service.replaceAll(ENDPOINT, '$endpoint')}`;
    const done = await scene.run(script2, `${token}\n`);
    assert.equal(done.exitCode, 0, done.out);
    const checked = await scene.run(await commandsFrom('$ tsuru app-run -a prometheus-broker "broker check"'));
    assert.deepEqual([checked.exitCode, checked.out.match(/^PROBLEM.*/gm)], [0, null], checked.out);
  });

  it('that set it up and that users type work one after the other', async () => {
    await using scene = await startScene();
    const { tsuru, admin } = scene;
    const setUp = (await commandsFrom('$ export TSURU_TARGET='))
      .replace('TSURU_TARGET=https://tsuru.example.com ', '')
      .replace(
        'npm run broker -- setup',
        "broker setup --endpoint 'http://{unit}' --env 'BROKER_INSTANCE_URL=http://{unit}'",
      );
    const made = await scene.run(setUp);
    assert.equal(made.exitCode, 0, made.out);
    assert.match(made.out, /^The service is ready\./m);
    await expect(admin.call('POST', '/1.0/teams', { form: { name: 'my-team' } }), 201);
    await createApp(admin, 'my-app', 'shop/app:1');
    const lines = (await commandsFrom('$ tsuru service-instance-add')).split('\n').filter((line) => line.trim() !== '');
    for (const line of lines) {
      const { exitCode, out } = await scene.run(line);
      assert.equal(exitCode, 0, `${line}\n${out}`);
      if (line.includes('service-instance-add'))
        await until('a unit', () => tsuru.units('prometheus-my-instance').length > 0);
    }
    const { body } = await admin.call('GET', '/1.0/apps/prometheus-my-instance');
    const { plan } = JSON.parse(body) as { plan: { name: string } };
    assert.equal(plan.name, 'c1m4', 'the last command chose another plan');
    for (const command of ['check --app prometheus-broker', 'list', 'upgrade --dry-run', 'reconcile --dry-run']) {
      const run = await scene.run(`tsuru app-run -a prometheus-broker "broker ${command}"`);
      assert.equal(run.exitCode, 0, run.out);
    }
  });
});
