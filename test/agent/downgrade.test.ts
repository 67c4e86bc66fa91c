import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { configFileOf } from '../support/agent.ts';
import { startProgram, type Program } from '../support/program.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld } from '../support/world.ts';

/** How soon it is started again when it has ended at once. */
const BETWEEN_STARTS_MS = 500;

/** Stands in for a Prometheus that is newer than the one that is here: it loads whatever it is given. */
async function startNewer(address: string): Promise<AsyncDisposable> {
  const loads = { count: 0 };
  const server = createServer((request, response) => {
    request.resume();
    if (request.method === 'POST') loads.count += 1;
    const data = { version: '3.14.0', activeTargets: [], result: [] };
    response.end(
      request.url === '/metrics'
        ? `prometheus_config_last_reload_successful 1\nprometheus_config_last_reload_success_timestamp_seconds ${loads.count}\n`
        : JSON.stringify({ status: 'success', data }),
    );
  });
  const [host, port] = address.split(':');
  server.listen(Number(port), host);
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

it('an external Prometheus that is replaced by an older one gets a file that this can load, and the agent knows it', async () => {
  await using world = await startWorld({ images: silentImages });
  await world.bindNew('my-app');
  // That of a newer version.
  const bin = join(world.folder, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'promtool'), '#!/bin/sh\nexit 0\n');
  await chmod(join(bin, 'promtool'), 0o755);
  const agent = await world.startAgent({ env: { PATH: `${bin}:${process.env['PATH'] ?? ''}` } });
  const configFile = configFileOf(join(world.folder, 'agent'));
  const written = (): Promise<string> => readFile(configFile, 'utf8');
  const newer = await startNewer(world.prometheusAddress);
  await until('a file for the newer one', async () => (await written()).includes('retention:'));
  await newer[Symbol.asyncDispose]();
  const args = [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${join(world.folder, 'data')}`,
    `--web.listen-address=${world.prometheusAddress}`,
    '--web.enable-lifecycle',
  ];
  // As whatever runs it does, which starts it again and again.
  let older: Program | undefined;
  try {
    const version = await until('the older one to stay', async () => {
      if (older === undefined || older.exited) older = startProgram({ command: 'prometheus', args });
      await wait(BETWEEN_STARTS_MS);
      const answer = await fetch(`http://${world.prometheusAddress}/api/v1/status/buildinfo`);
      return ((await answer.json()) as { data: { version: string } }).data.version;
    });
    await until('it to run the newest configuration', async () => (await agent.status()).sync.inSync);
    if (version.startsWith('2.')) assert.doesNotMatch(await written(), /retention:|fallback_scrape_protocol/);
  } finally {
    await older?.stop();
  }
});
