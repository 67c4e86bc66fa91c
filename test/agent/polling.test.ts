import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { VERSION } from '../../agent/shared/version.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld, type World } from '../support/world.ts';

const LIST = '/1.0/apps';

/** How many requests for lists and for details there were. */
function requests({ tsuru }: World): { lists: number; details: number; all: number } {
  return {
    lists: tsuru.requests.count('GET', LIST),
    details: tsuru.requests.count('GET', /^\/1\.0\/apps\/[^/]+$/),
    all: tsuru.requests.all().length,
  };
}

describe('polling', { concurrency: 4 }, () => {
  it('is one request whatever the number of apps, once each is known', async () => {
    await using world = await startWorld({ images: silentImages });
    const names = Array.from({ length: 30 }, (_, index) => `app-${index}`);
    for (const name of names) await world.bindNew(name);
    world.tsuru.requests.clear();
    const agent = await world.startAgent();
    await until(
      '30 targets',
      async () => (await agent.metric('tsuru_agent_apps')) === 30 && (await agent.status()).lastWrite.targets === 30,
    );
    assert.equal(requests(world).details, 30, 'the details of each app once');

    world.tsuru.requests.clear();
    await until('five more polls', () => requests(world).lists >= 5);
    const { lists, all } = requests(world);
    assert.equal(all, lists);
  });

  it('asks for the details of an app again only when it changed', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app');
    await world.bindNew('other');
    const agent = await world.startAgent();
    await until('2 targets', async () => (await agent.status()).lastWrite.targets === 2);
    world.tsuru.requests.clear();
    await world.annotate('my-app', { 'prometheus.io/port': '9100' });
    await until('the new port', async () => JSON.stringify(await agent.status()).includes(':9100'));
    await until('more polls', () => requests(world).lists >= 4);
    assert.equal(world.tsuru.requests.count('GET', '/1.0/apps/my-app'), 1);
    assert.equal(world.tsuru.requests.count('GET', '/1.0/apps/other'), 0);
  });

  it('writes a new app while the details of another are slow', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('slow');
    world.tsuru.faults.add({ kind: 'latency', ms: 20_000, path: '/apps/slow' });
    const agent = await world.startAgent();
    await until('it is asked for', () => world.tsuru.requests.count('GET', '/1.0/apps/slow') === 1);
    await world.bindNew('other');
    await until('its target', async () => (await agent.status()).lastWrite.targets === 1);
    assert.equal(world.tsuru.requests.count('GET', '/1.0/apps/slow'), 1);
  });

  it('writes a change while it is unknown whether other apps are gone', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app');
    await world.bindNew('other');
    const agent = await world.startAgent();
    await until('2 targets', async () => (await agent.status()).lastWrite.targets === 2);
    const listAgain = world.tsuru.faults.add({ kind: 'status', status: 500, path: '/apps' });
    await world.addUnits('my-app', 1);
    world.tsuru.faults.add({ kind: 'latency', ms: 20_000, path: '/users/info' });
    world.tsuru.faults.add({ kind: 'app-missing', app: 'other' });
    listAgain();
    await until('3 targets', async () => (await agent.status()).lastWrite.targets === 3);
    // Asked a moment after the write, and not again while the answer is missing.
    await until('the question', () => world.tsuru.requests.count('GET', '/1.0/users/info') > 0);
    assert.equal(world.tsuru.requests.count('GET', '/1.0/users/info'), 1);
  });

  it('happens at once when asked for, and asks for all details again', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app');
    const agent = await world.startAgent({ env: { AGENT_POLL_INTERVAL: '1h' } });
    await until('1 target', async () => (await agent.status()).lastWrite.targets === 1);
    await world.annotate('my-app', { 'prometheus.io/scrape': 'false' }, 'web');
    world.tsuru.requests.clear();
    assert.deepEqual(await agent.poll(), { status: 200, body: 'Polled: 0 targets.\n' });
    assert.equal(requests(world).details, 1);
    world.tsuru.faults.add({ kind: 'status', status: 500, body: 'no database' });
    const failed = await agent.poll();
    assert.equal(failed.status, 502);
    assert.match(failed.body, /Polled, but: app list: Tsuru answered 500: no database/);
  });

  it('quickens while units start', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app');
    const [unit] = world.tsuru.units('my-app');
    world.tsuru.overrideUnit(unit?.name ?? '', { Status: 'starting' });
    const agent = await world.startAgent({ env: { AGENT_POLL_INTERVAL: '1h' } });
    const status = await until('the first poll', async () => {
      const now = await agent.status();
      return now.lastPoll.next !== null && now;
    });
    const waitMs = Date.parse(status.lastPoll.next ?? '') - Date.parse(status.lastPoll.at ?? '');
    assert.ok(waitMs <= 5_600, `${waitMs} ms`);
  });

  it('identifies itself to Tsuru, and uses one connection', async () => {
    const agents = new Set<string | undefined>();
    const ids = new Set<unknown>();
    let connections = 0;
    let asked = 0;
    const server = createServer((request, response) => {
      asked++;
      agents.add(request.headers['user-agent']);
      ids.add(request.headers['x-request-id']);
      response.writeHead(204).end();
    });
    server.on('connection', () => connections++);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address !== 'string');
    await using world = await startWorld();
    await world.startAgent({ tsuruUrl: `http://127.0.0.1:${address.port}` });
    await until('five polls', () => asked >= 5);
    assert.deepEqual([...agents], [`prometheus-as-a-service/${VERSION}`]);
    assert.equal(ids.size, asked, 'each request has an id of its own');
    assert.equal(connections, 1);
    server.closeAllConnections();
    server.close();
  });

  it('backs off while Tsuru fails, and returns to its interval when Tsuru answers', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app');
    const agent = await world.startAgent({ env: { AGENT_POLL_INTERVAL: '200ms' } });
    await until('1 target', async () => (await agent.status()).lastWrite.targets === 1);
    const mend = world.tsuru.faults.add({ kind: 'status', status: 500 });
    world.tsuru.requests.clear();
    await wait(3_000);
    const asked = requests(world).lists;
    assert.ok(asked < 12, `${asked} polls in 3 s, where 15 would be without backing off`);
    mend();
    await world.addUnits('my-app', 1);
    await until('2 targets', async () => (await agent.status()).lastWrite.targets === 2, 60_000);
  });
});
