import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dump, load } from 'js-yaml';
import { featuresOf } from '../../agent/prometheus/api/features.ts';
import { freeAddress } from '../support/address.ts';
import { configFileOf, GATEWAY, type RunningAgent } from '../support/agent.ts';
import { temporaryFolder } from '../support/folder.ts';
import { startInstance } from '../support/running-instance.ts';
import { until } from '../support/until.ts';

const BASE = fileURLToPath(new URL('../../image/prometheus.yml', import.meta.url));
const PASSWORD = 'secret-of-the-proxy';
/** Another alert each second: one that Prometheus could not send is sent again only after a minute. */
const ALERTS = 'groups: [{name: a, rules: [{alert: Now, expr: vector(time()), labels: {at: "{{ $value }}"}}]}]';

interface Proxy extends AsyncDisposable {
  /** With its user and password. */
  readonly url: string;
  /** What it was asked for by who knows the password, and by others. */
  readonly seen: readonly string[];
}

/** A proxy that answers itself, for hosts that are nowhere. */
async function startProxy(): Promise<Proxy> {
  const seen: string[] = [];
  const right = `Basic ${Buffer.from(`shop:${PASSWORD}`).toString('base64')}`;
  const isRight = (header: string | undefined): string => (header === right ? '' : 'without password: ');
  const server = createServer((request, response) => {
    request.resume();
    seen.push(`${isRight(request.headers['proxy-authorization'])}${request.url ?? ''}`);
    response.end();
  });
  server.on('connect', (request, socket) => {
    seen.push(`${isRight(request.headers['proxy-authorization'])}CONNECT ${request.url ?? ''}`);
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  const host = freeAddress();
  server.listen(3128, host);
  await once(server, 'listening');
  return {
    url: `http://shop:${PASSWORD}@${host}:3128`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The base with a job at a host that only a proxy could reach. */
async function baseWithJob(folder: string): Promise<string> {
  const base = load(await readFile(BASE, 'utf8')) as { scrape_configs: unknown[] };
  const job = { job_name: 'far', static_configs: [{ targets: ['units.example.test:80'] }] };
  const path = join(folder, 'base.yml');
  await writeFile(path, dump({ ...base, scrape_configs: [...base.scrape_configs, job] }));
  return path;
}

async function assertSecret(agent: RunningAgent, publicHost: string, folder: string): Promise<void> {
  const authorization = `Basic ${Buffer.from(`${GATEWAY.GATEWAY_USERNAME}:${GATEWAY.GATEWAY_PASSWORD}`).toString('base64')}`;
  const pages = ['/api/v1/status/config', '/api/v1/status/flags', '/api/v1/targets', '/metrics', '/tsuru/status'];
  const told = await Promise.all(
    pages.map(async (path) => (await fetch(`http://${publicHost}:8888${path}`, { headers: { authorization } })).text()),
  );
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  for (const text of [...told, ...lines, ...agent.program.lines, await readFile(configFileOf(folder), 'utf8')])
    assert.ok(!text.includes(PASSWORD), text.slice(0, 300));
}

describe("the proxy of the agent's environment", () => {
  it('carries samples and alerts, no scrape, nothing of NO_PROXY, and its password is nowhere', async () => {
    await using proxy = await startProxy();
    await using folder = await temporaryFolder();
    const publicHost = freeAddress();
    const settings = {
      rules: ALERTS,
      remote_write:
        'http://metrics.example.test/write,https://secure.example.test/write,http://near.example.test/write',
      alertmanagers: 'http://alerts.example.test',
    };
    await using instance = await startInstance(settings, {
      env: {
        HTTP_PROXY: proxy.url,
        https_proxy: proxy.url,
        NO_PROXY: 'near.example.test',
        AGENT_BASE_CONFIG: await baseWithJob(folder.path),
        AGENT_GATEWAY_ADDRESS: publicHost,
        AGENT_LOG_LEVEL: 'debug',
      },
    });
    const { agent, prometheus, world } = instance;
    await prometheus.untilTargets('all up', (all) => all.length === 2 && all.every(({ health }) => health === 'up'));
    const { version } = await prometheus.get('/api/v1/status/buildinfo');
    if (featuresOf(String(version)).proxyFromEnvironment) {
      for (const expected of [
        'http://metrics.example.test/write',
        'CONNECT secure.example.test:443',
        'http://alerts.example.test/api/v2/alerts',
      ])
        await until(`${expected} at the proxy`, () => proxy.seen.includes(expected));
    } else {
      await until('the status to tell', async () =>
        (await agent.status()).problems.some((text) => /proxy.*needs Prometheus 2\.43 or newer/.test(text)),
      );
    }
    await until('a look at the host that nobody reaches', async () => {
      const { activeTargets } = await prometheus.get('/api/v1/targets?state=active&scrapePool=far');
      return JSON.stringify(activeTargets).includes('"health":"down"');
    });
    for (const asked of proxy.seen) assert.doesNotMatch(asked, /without password|near\.example|units\.example|127\./);
    await assertSecret(agent, publicHost, join(world.folder, 'agent'));
  });
});
