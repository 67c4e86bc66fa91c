import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import ownPackage from '../../package.json' with { type: 'json' };
import examplePackage from '../../image/example-app/package.json' with { type: 'json' };
import { asObject } from '../../agent/shared/shape.ts';
import { freeHostPort } from '../support/address.ts';
import { temporaryFolder } from '../support/folder.ts';
import { startProgram, type Program } from '../support/program.ts';
import { startPrometheus } from '../support/prometheus.ts';
import { until } from '../support/until.ts';

const FOLDER = fileURLToPath(new URL('../../image/example-app/', import.meta.url));

interface Running {
  readonly program: Program;
  readonly address: string;
}

/** Runs the Procfile's process `web`, on a loopback address and with the port of its environment, as Tsuru would. */
async function startExample(t: TestContext): Promise<Running> {
  const procfile = await readFile(join(FOLDER, 'Procfile'), 'utf8');
  const [, file = ''] = /^web: node (\S+)\n$/.exec(procfile) ?? [];
  assert.notEqual(file, '', procfile);
  const address = await freeHostPort();
  const [host = '', port = ''] = address.split(':');
  const env = { HOST: host, PORT: port };
  const program = startProgram({ command: process.execPath, args: [file], cwd: FOLDER, env });
  t.after(() => program.stop());
  await until('the example app to listen', () => program.exited || program.lines.length > 0);
  assert.deepEqual(program.lines, [`Listening on port ${port}`]);
  return { program, address };
}

describe('the example app', () => {
  it('answers the health check of its tsuru.yaml', async (t) => {
    const tsuruYaml = asObject(load(await readFile(join(FOLDER, 'tsuru.yaml'), 'utf8')), 'tsuru.yaml');
    const path = String(asObject(tsuruYaml['healthcheck'], 'healthcheck')['path']);
    const { address } = await startExample(t);
    const answer = await fetch(`http://${address}${path}`);
    assert.deepEqual([answer.status, await answer.text()], [200, 'WORKING\n']);
  });

  it('is scraped by a real Prometheus, with its requests by page and status', async (t) => {
    const { address } = await startExample(t);
    for (const path of ['/', '/?a=b', '/nowhere', '/constructor'])
      await (await fetch(`http://${address}${path}`)).text();
    await using folder = await temporaryFolder();
    const configFile = join(folder.path, 'prometheus.yml');
    const job = { job_name: 'my-app', scrape_interval: '1s', static_configs: [{ targets: [address] }] };
    await writeFile(configFile, JSON.stringify({ scrape_configs: [job] }));
    const prometheus = await startPrometheus({ folder: folder.path, configFile, address: await freeHostPort() });
    try {
      const valueOf = async (expression: string) => (await prometheus.query(expression)).get(address);
      await until('a scrape that succeeds', async () => (await valueOf('up')) === 1);
      assert.equal(await valueOf('http_request_duration_seconds_count{handler="/", code="200"}'), 2);
      assert.equal(await valueOf('http_request_duration_seconds_count{handler="not_found", code="404"}'), 2);
      assert.ok(((await valueOf('process_resident_memory_bytes')) ?? 0) > 0);
    } finally {
      await prometheus.stop();
    }
  });

  it('ends in order at SIGTERM, also while a client keeps a connection', async (t) => {
    const { program, address } = await startExample(t);
    await (await fetch(`http://${address}/`)).text();
    program.kill('SIGTERM');
    assert.equal(await program.end, 0);
  });

  it('needs the same prom-client as this project, which the tests run it with', () => {
    assert.deepEqual(examplePackage.dependencies, { 'prom-client': ownPackage.dependencies['prom-client'] });
  });
});
