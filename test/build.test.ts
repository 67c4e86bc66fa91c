import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { basicHeader } from '../agent/shared/basic-auth.ts';
import { askBroker, environmentOf, startStage } from './broker/stage.ts';
import { freeAddress } from './support/address.ts';
import { GATEWAY } from './support/agent.ts';
import { temporaryFolder } from './support/folder.ts';
import { startProgram } from './support/program.ts';
import { until } from './support/until.ts';
import { silentImages, startWorld } from './support/world.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const run = promisify(execFile);

/** What "npm run build" copies beside what it compiles. */
const SHIPPED = [
  ...['prometheus.yml', 'rules/instance.yml', 'dashboards/app.json', 'dashboards/instance.json'].map(
    (file) => `image/${file}`,
  ),
  'broker/plans.yaml',
  'agent/page/static',
];

describe('what ships', () => {
  it('compiled, follows an app and serves Tsuru as the source does', async () => {
    await using dist = await temporaryFolder();
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    await run(process.execPath, [tsc, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', dist.path]);
    await symlink(join(ROOT, 'node_modules'), join(dist.path, 'node_modules'));
    for (const folder of ['rules', 'dashboards']) await mkdir(join(dist.path, 'image', folder), { recursive: true });
    for (const file of SHIPPED) await cp(join(ROOT, file), join(dist.path, file), { recursive: true });

    await using stage = await startStage();
    const host = freeAddress();
    const env = { ...environmentOf(stage.tsuru.url, stage.brokerToken), BROKER_ADDRESS: host, PORT: '8888' };
    const broker = startProgram({ command: process.execPath, args: [join(dist.path, 'broker', 'main.js')], env });
    try {
      const endpoint = `http://${host}:8888`;
      await until('the broker to listen', async () => (await fetch(`${endpoint}/readyz`)).ok);
      const plans = await askBroker(endpoint, 'GET', '/resources/plans');
      assert.match(plans.body, /"name":"small"/);
    } finally {
      assert.equal(await broker.stop(), 0);
    }

    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    const address = freeAddress();
    const agent = await world.startAgent({
      main: join(dist.path, 'agent', 'main.js'),
      env: { ...GATEWAY, AGENT_GATEWAY_ADDRESS: address },
    });
    const prometheus = await world.startPrometheus();
    await until('2 targets in sync', async () => (await agent.status()).sync.inSync);
    assert.equal((await prometheus.targets()).length, 2);
    const authorization = basicHeader({ username: GATEWAY.GATEWAY_USERNAME, password: GATEWAY.GATEWAY_PASSWORD });
    const dashboard = await fetch(`http://${address}:8888/tsuru/grafana/app.json`, { headers: { authorization } });
    assert.match(await dashboard.text(), /"uid": "tsuru-app"/);
  });
});
