import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import type { RunningAgent } from '../support/agent.ts';
import { until } from '../support/until.ts';
import { httpUnit } from '../support/unit.ts';
import { startWorld } from '../support/world.ts';
import type { Image } from '../tsuru/images.ts';

const METRICS = 'asked_for 1\n';

/** Requests to units, as `path agent`: who asked is told by its name. */
interface Seen {
  readonly requests: string[];
  readonly headers: IncomingMessage['headers'][];
}

/** An image whose units answer `locations` with redirects (`{host}` is where they are), and anything else with metrics or a 404. */
function redirecting(seen: Seen, locations: ReadonlyMap<string, string>, metricsAt: readonly string[]): Image {
  const web = httpUnit(({ host, port }) => (request, response) => {
    const isPrometheus = (request.headers['user-agent'] ?? '').startsWith('Prometheus');
    const path = request.url ?? '';
    seen.requests.push(`${path} ${isPrometheus ? 'Prometheus' : 'agent'}`);
    if (!isPrometheus) seen.headers.push(request.headers);
    const location = locations.get(path);
    if (location !== undefined) {
      response.writeHead(307, { location: location.replace('{host}', `${host}:${port}`) }).end();
      return;
    }
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    if (!metricsAt.includes(path)) response.statusCode = 404;
    response.end(METRICS);
  });
  return { processes: { web } };
}

function newSeen(): Seen {
  return { requests: [], headers: [] };
}

function problemOf(agent: RunningAgent, app: string, words: RegExp): Promise<string> {
  return until(`${app} to have a problem like ${words.source}`, async () => {
    const { apps } = await agent.status();
    return apps.find(({ name }) => name === app)?.problems.find((problem) => words.test(problem));
  });
}

function countOf({ requests }: Seen, request: string): number {
  return requests.filter((other) => other === request).length;
}

describe('a redirect of a metrics path', { concurrency: 4 }, () => {
  it('at the same address is the path of the process: asked for once, without credentials, and kept over a restart', async () => {
    const seen = newSeen();
    const locations = new Map([['/metrics', 'http://{host}/metrics/']]);
    await using world = await startWorld({ images: () => redirecting(seen, locations, ['/metrics/']) });
    await world.bindNew('my-app', 2);
    const { agent, prometheus } = await world.startSupervised();
    const up = (): Promise<unknown> =>
      prometheus.untilTargets('both up', (all) => all.length === 2 && all.every(({ health }) => health === 'up'));
    await up();
    assert.ok((await prometheus.targets()).every(({ url }) => url.endsWith('/metrics/')));
    assert.equal(countOf(seen, '/metrics agent'), 1);
    assert.equal(countOf(seen, '/metrics/ agent'), 0);
    assert.deepEqual(
      [
        seen.headers[0]?.authorization,
        seen.headers[0]?.cookie,
        seen.headers[0]?.['x-prometheus-scrape-timeout-seconds'],
      ],
      [undefined, undefined, undefined],
    );
    await until('no problem', async () => (await agent.status()).apps[0]?.problems.length === 0);

    await world.addUnits('my-app', 1);
    await prometheus.untilTargets('the third up', (all) => all.filter(({ health }) => health === 'up').length === 3);
    await agent.stop();
    const asked = seen.requests.length;
    const again = await world.startSupervised();
    await again.prometheus.untilTargets('all up', (all) => all.filter(({ health }) => health === 'up').length === 3);
    assert.ok(seen.requests.slice(asked).every((request) => request === '/metrics/ Prometheus'));
  });

  it('to loopback or to another port of the same host is followed by nobody, and the status names the annotation', async () => {
    const asked: string[] = [];
    const secret = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end(METRICS);
    }).listen(0, '0.0.0.0');
    await once(secret, 'listening');
    const address = secret.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    try {
      const seen = newSeen();
      const elsewhere = [`http://127.0.0.1:${port}/a`, `//localhost:${port}/b`, `http://{ip}:${port}/c`];
      await using world = await startWorld({
        images: (name) => {
          const kind = Number(/\d$/.exec(name)?.[0]);
          const web = httpUnit(({ host }) => (request, response) => {
            seen.requests.push(request.url ?? '');
            response.writeHead(302, { location: (elsewhere[kind] ?? '').replace('{ip}', host) }).end();
          });
          return { processes: { web } };
        },
      });
      for (const kind of [0, 1, 2]) await world.bindNew(`app-${kind}`, 1, `shop/app:${kind}`);
      const { agent, prometheus } = await world.startSupervised();
      for (const kind of [0, 1, 2]) {
        const problem = await problemOf(agent, `app-${kind}`, /has another scheme, host or port/);
        assert.match(problem, /set the path.*tsuru metadata set -a app-\d -p web -t annotation prometheus\.io\/path=/);
      }
      const before = seen.requests.length;
      await until('more scrapes', () => seen.requests.length > before + 9);
      assert.ok((await prometheus.targets()).every(({ health }) => health === 'down'));
      assert.deepEqual(asked, []);
    } finally {
      secret.closeAllConnections();
      secret.close();
      await once(secret, 'close');
    }
  });

  it('is not followed in a circle or more than three in a row', async () => {
    const circle = new Map([
      ['/metrics', '/a'],
      ['/a', '/metrics'],
    ]);
    const long = new Map(
      ['/metrics', '/a', '/b', '/c', '/d', '/e'].map((path, index, all) => [path, all[index + 1] ?? '/']),
    );
    const [ofCircle, ofLong] = [newSeen(), newSeen()];
    await using world = await startWorld({
      images: (name) =>
        name.includes('circle') ? redirecting(ofCircle, circle, []) : redirecting(ofLong, long, ['/']),
    });
    await world.bindNew('circle', 1, 'shop/circle:1');
    await world.bindNew('long', 1, 'shop/long:1');
    const { agent } = await world.startSupervised();
    assert.match(await problemOf(agent, 'circle', /redirects/), /redirects \/a, .* \/metrics leads back/);
    assert.match(await problemOf(agent, 'long', /redirects/), /redirects \/c, .* it redirects more than 3 times/);
    const count = ofCircle.requests.length;
    await until('more scrapes', () => ofCircle.requests.length > count + 3);
    assert.ok(ofCircle.requests.slice(-3).every((request) => request === '/metrics Prometheus'));
    assert.equal(countOf(ofLong, '/d Prometheus'), 0);
    assert.equal(ofLong.requests.filter((request) => request.endsWith('agent')).length, 4);
  });

  it('to a path that is missing is forgotten, and so is one of an annotation that changed', async () => {
    const seen = newSeen();
    const locations = new Map([['/metrics', '/gone']]);
    const served: string[] = [];
    await using world = await startWorld({ images: () => redirecting(seen, locations, served) });
    await world.bindNew('my-app');
    const { agent, prometheus } = await world.startSupervised();
    assert.match(await problemOf(agent, 'my-app', /redirects/), /\/gone fails: server returned HTTP status 404/);
    await until('the annotated path again', () => seen.requests.at(-1) === '/metrics Prometheus');
    assert.equal(seen.requests.filter((request) => request.endsWith('agent')).length, 1);

    locations.set('/stats', '/stats/?format=text');
    served.push('/stats/?format=text');
    await world.annotate('my-app', { 'prometheus.io/path': '/stats' });
    await prometheus.untilTargets('it up', (all) => all[0]?.health === 'up');
    served.push('/right');
    await world.annotate('my-app', { 'prometheus.io/path': '/right' });
    await prometheus.untilTargets(
      'it up at the new path',
      (all) => all[0]?.health === 'up' && all[0].url.endsWith('/right'),
    );
    await until('no problem', async () => (await agent.status()).apps[0]?.problems.length === 0);
  });
});
