import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dump, load } from 'js-yaml';
import { freeAddress } from '../support/address.ts';
import type { RunningAgent } from '../support/agent.ts';
import { handOn, makeAuthority } from '../support/authority.ts';
import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { startProgram } from '../support/program.ts';
import { until } from '../support/until.ts';
import { startWorld } from '../support/world.ts';

const BASE = fileURLToPath(new URL('../../image/prometheus.yml', import.meta.url));
const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

function untilProblem(agent: RunningAgent, pattern: RegExp): Promise<string> {
  return until(`a problem like ${pattern.source}`, async () =>
    (await agent.status()).problems.find((problem) => pattern.test(problem)),
  );
}

describe('private CAs', { concurrency: 2 }, () => {
  it('are trusted by the agent for Tsuru, and by Prometheus for remote_write and targets, given as text or as a path', async () => {
    await using authority = await makeAuthority();
    const pushes: IncomingMessage[] = [];
    const receiver = await authority.serve((request, response) => {
      pushes.push(request);
      request.resume();
      response.end();
    });
    const target = await authority.serve((_request, response) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end('secure 1\n');
    });
    for (const value of [authority.pem, authority.path]) {
      pushes.length = 0;
      await using world = await startWorld();
      const tsuru = await authority.serve(handOn(world.tsuru.url));
      const { app } = world.instance;
      await world.bindNew(app);
      await world.bindNew('my-app');
      await world.annotate(app, { [SETTINGS_ANNOTATION]: JSON.stringify({ remote_write: `${receiver}/write` }) });
      const base = load(await readFile(BASE, 'utf8')) as { scrape_configs: unknown[] };
      const job = { job_name: 'secure', scheme: 'https', static_configs: [{ targets: [new URL(target).host] }] };
      const baseFile = join(world.folder, 'base.yml');
      await writeFile(baseFile, dump({ ...base, scrape_configs: [...base.scrape_configs, job] }));
      const { agent, prometheus } = await world.startSupervised({
        tsuruUrl: tsuru,
        env: { TSURU_APPNAME: app, CA_CERTIFICATES: value, AGENT_BASE_CONFIG: baseFile },
      });
      await prometheus.untilTargets('the app of Tsuru', (all) => all.some(({ health }) => health === 'up'));
      await until('samples at the receiver', () => pushes.length > 0);
      await until('the target up', async () => [...(await prometheus.query('up{job="secure"}')).values()].includes(1));
      assert.deepEqual((await agent.status()).problems, []);
      await agent.stop();
    }
  });

  it('are named in the problem of a connection that needs them, with the variable to set', async () => {
    await using authority = await makeAuthority();
    await using other = await makeAuthority('Another CA');
    await using world = await startWorld();
    const tsuru = await authority.serve(handOn(world.tsuru.url));
    const agent = await world.startAgent({ tsuruUrl: tsuru, env: { CA_CERTIFICATES: other.pem } });
    await untilProblem(agent, /failed to poll Tsuru.*: set CA_CERTIFICATES to the certificate of its CA/);
  });

  it('are reported in the status once they have expired', async () => {
    await using expired = await makeAuthority('Old CA', true);
    await using world = await startWorld();
    await world.bindNew('my-app');
    const agent = await world.startAgent({ env: { CA_CERTIFICATES: expired.pem } });
    await untilProblem(agent, /CA_CERTIFICATES holds a certificate that expired on .*CN=Old CA/);
    const written = await readFile(join(world.folder, 'agent', 'ca', 'private.pem'), 'utf8');
    assert.equal(written, expired.pem);
  });

  it('end the start with exit code 2 and one sentence when they cannot be read', async () => {
    const env = { TSURU_HOST: 'http://127.0.0.1:1', TSURU_TOKEN: 'a', PROMETHEUS_URL: 'http://127.0.0.1:1' };
    for (const value of ['/no/such/file.pem', '-----BEGIN CERTIFICATE-----\nsecret', 'ca.pem']) {
      const program = startProgram({
        command: process.execPath,
        args: [MAIN],
        env: { ...env, CA_CERTIFICATES: value },
      });
      assert.equal(await program.end, 2);
      assert.equal(program.lines.length, 1, program.lines.join('\n'));
      assert.match(program.lines[0] ?? '', /^CA_CERTIFICATES .*\.$/);
      assert.doesNotMatch(program.lines[0] ?? '', /secret/);
    }
  });
});

describe("Tsuru's redirect", () => {
  it('is not followed with the token, and the problem names the TSURU_HOST to set', async () => {
    await using authority = await makeAuthority();
    await using world = await startWorld();
    await world.bindNew('my-app');
    const followed: IncomingMessage[] = [];
    const secure = await authority.serve((request, response) => {
      followed.push(request);
      response.end('[]');
    });
    const host = freeAddress();
    const redirecting = createServer((request, response) => {
      response.writeHead(301, { location: `${secure}${request.url ?? ''}` }).end('Moved Permanently');
    }).listen(8080, host);
    await once(redirecting, 'listening');
    try {
      const agent = await world.startAgent({
        tsuruUrl: `http://${host}:8080`,
        env: { CA_CERTIFICATES: authority.pem },
      });
      const problem = await untilProblem(agent, /failed to poll Tsuru/);
      assert.match(problem, new RegExp(`answered 301, a redirect that is not followed: set TSURU_HOST to ${secure} `));
      assert.ok(((await agent.metric('tsuru_agent_polls_failed_total{reason="redirected"}')) ?? 0) > 0);
      assert.deepEqual(followed, []);
    } finally {
      redirecting.closeAllConnections();
      redirecting.close();
    }
  });
});
