import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import pMap from 'p-map';
import { basicHeader } from '../../agent/shared/basic-auth.ts';
import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { APP_DASHBOARD } from '../../image/dashboards/app.ts';
import { INSTANCE_DASHBOARD } from '../../image/dashboards/instance.ts';
import { OBEDIENT, startUpstream } from '../agent/gateway/guarded.ts';
import { freeAddress } from '../support/address.ts';
import { GATEWAY } from '../support/agent.ts';
import { createGrafana, type Dashboard, type Grafana, type Result, type Values } from '../support/grafana.ts';
import { httpUnit } from '../support/unit.ts';
import { until } from '../support/until.ts';
import { startWorld, type World } from '../support/world.ts';
import { demoImages } from '../tsuru/images.ts';

const DEMO_APP = fileURLToPath(new URL('../app/main.ts', import.meta.url));
const BASE = new URL('../../image/prometheus.yml', import.meta.url);
const HOUR_MS = 3_600_000;
/** Rates need samples of a while, and a refused sample is found at a look at Prometheus, every 15 s. */
const DATA_LIMIT_MS = 120_000;
/** The guarded port refuses what comes when 64 wait. */
const AT_ONCE = 8;
/** Fires in every instance. */
const RULES = 'groups: [{name: demo, rules: [{alert: Always, expr: vector(1)}]}]';

/** An app whose samples are too old to be stored. */
const lateUnit = httpUnit(() => (_request, response) => {
  response.setHeader('content-type', 'text/plain; version=0.0.4');
  response.end(`late 1 ${Date.now() - 3 * HOUR_MS}\n`);
});

async function read(name: string): Promise<Dashboard> {
  return JSON.parse(
    await readFile(new URL(`../../image/dashboards/${name}.json`, import.meta.url), 'utf8'),
  ) as Dashboard;
}

const MY_APP = { app: 'my-app' };
const NEW_VERSION = { ...MY_APP, version: '2' };
const DASHBOARDS = [
  { name: 'app', uid: 'tsuru-app', source: APP_DASHBOARD },
  { name: 'instance', uid: 'tsuru-prometheus-instance', source: INSTANCE_DASHBOARD },
] as const;

describe('the dashboards for Grafana', () => {
  for (const { name, uid, source } of DASHBOARDS) {
    it(`are what "npm run dashboards" writes: ${name}`, async () => {
      assert.deepEqual(await read(name), JSON.parse(JSON.stringify(source)));
    });

    it(`keep their uid, and ask the data source that is chosen alone: ${name}`, async () => {
      const dashboard = await read(name);
      assert.equal(dashboard.uid, uid);
      const { panels, templating, annotations } = dashboard;
      const [datasource, ...variables] = templating.list;
      assert.deepEqual(
        [datasource?.type, datasource?.name, datasource?.query],
        ['datasource', 'datasource', 'prometheus'],
      );
      const asking = [
        ...panels.filter(({ type }) => type !== 'row'),
        ...panels.flatMap(({ targets = [] }) => targets),
        ...variables.filter(({ type }) => type === 'query'),
        ...annotations.list,
      ];
      for (const one of asking) {
        assert.deepEqual(one.datasource, { type: 'prometheus', uid: '${datasource}' }, JSON.stringify(one));
      }
    });

    it(`have panels with ids and places of their own, and legends of their own in each: ${name}`, async () => {
      const { panels } = await read(name);
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
      const places = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
      );
      assert.equal(new Set(places).size, places.length);
      for (const { title, type, gridPos, targets = [] } of panels) {
        assert.ok(gridPos.x + gridPos.w <= 24, title);
        assert.equal(targets.length > 0, type !== 'row', title);
        for (const key of ['refId', 'legendFormat'] as const)
          assert.equal(new Set(targets.map((target) => target[key])).size, targets.length, title);
      }
    });
  }
});

describe('the dashboards for Grafana, in front of an instance', () => {
  const stack = new AsyncDisposableStack();
  let grafana: Grafana;

  before(async () => {
    ({ grafana } = await startScene(stack));
  });
  after(() => stack.disposeAsync());

  it('offer what there is to choose', async () => {
    const apps = await grafana.choices(await read('instance'));
    assert.deepEqual(apps.get('app'), ['late', 'my-app']);
    const { process, unit, requests, duration } = Object.fromEntries(await grafana.choices(await read('app'), MY_APP));
    assert.deepEqual(
      [process, requests?.[0], duration],
      [['web'], 'api_http_requests_total', ['api_http_request_duration_seconds']],
    );
    assert.ok(unit?.every((name) => name.startsWith('my-app-')));
  });

  it('mark the deploy of a new version, and no other', async () => {
    const [deploys] = (await read('app')).annotations.list;
    assert.ok(deploys !== undefined);
    const versions = await until('the deploy to be marked', async () => {
      const marked = await grafana.query(deploys.expr, MY_APP, false);
      return marked.length > 0 && marked.map(({ labels }) => labels);
    });
    assert.deepEqual(versions, [{ tsuru_app: 'my-app', tsuru_version: '2' }]);
  });

  for (const { name } of DASHBOARDS) {
    it(`get data for every query of every panel: ${name}`, async () => {
      const dashboard = await read(name);
      const views = viewsOf(dashboard, await grafana.choices(dashboard, NEW_VERSION));
      let waiting = queriesIn(dashboard).flatMap((query) => views.map((values) => ({ ...query, values })));
      await until(
        'data for every query',
        async () => {
          const empty = await pMap(
            waiting,
            async (query) => (hasData(await grafana.query(query.expr, query.values, query.instant)) ? [] : [query]),
            { concurrency: AT_ONCE },
          );
          waiting = empty.flat();
          const [first] = waiting;
          if (first !== undefined)
            throw new Error(
              `${waiting.length} are empty: ${first.title}: ${first.expr} with ${JSON.stringify(first.values)}`,
            );
          return true;
        },
        DATA_LIMIT_MS,
      );
    });
  }
});

interface PanelQuery {
  readonly title: string;
  readonly expr: string;
  readonly instant: boolean;
}

function queriesIn({ panels, annotations }: Dashboard): readonly PanelQuery[] {
  return [
    ...annotations.list.map(({ name, expr }) => ({ title: name, expr, instant: false })),
    ...panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr, instant = false }) => ({ title, expr, instant })),
    ),
  ];
}

/** One view with a value for each variable, and one with all of them for each way to group. */
function viewsOf({ templating }: Dashboard, choices: ReadonlyMap<string, readonly string[]>): readonly Values[] {
  const first = Object.fromEntries([...choices].map(([name, [value = '']]) => [name, value]));
  const chosen = { ...first, ...NEW_VERSION };
  const all = templating.list.flatMap(({ name, allValue }) =>
    allValue === undefined ? [] : [[name, allValue] as const],
  );
  const grouped = (choices.get('by') ?? ['']).map((by) => ({ ...chosen, ...Object.fromEntries(all), by }));
  return [chosen, ...grouped];
}

function hasData(results: readonly Result[]): boolean {
  return results.some(({ values }) => values.some((value) => !Number.isNaN(value)));
}

async function startScene(stack: AsyncDisposableStack): Promise<{ world: World; grafana: Grafana }> {
  const demo = demoImages([process.execPath, DEMO_APP]);
  const images = (name: string): ReturnType<typeof demo> =>
    name.startsWith('shop/late') ? { processes: { web: lateUnit } } : demo(name);
  const world = stack.use(await startWorld({ images }));
  const receiver = stack.use(await startUpstream(OBEDIENT));
  const base = join(world.folder, 'base.yml');
  await writeFile(base, (await readFile(BASE, 'utf8')).replaceAll('scrape_interval: 1m', 'scrape_interval: 2s'));
  const { app } = world.instance;
  await world.bindNew(app, 1, 'shop/late:1');
  await world.bindNew('my-app', 2, 'shop/my-app:1');
  await world.bindNew('late', 1, 'shop/late:1');
  const settings = { remote_write: `${receiver.url}/write`, alertmanagers: receiver.url, rules: RULES };
  await world.annotate(app, { [SETTINGS_ANNOTATION]: JSON.stringify(settings) });
  const address = freeAddress();
  const { prometheus } = await world.startSupervised({
    env: { TSURU_APPNAME: app, AGENT_BASE_CONFIG: base, AGENT_GATEWAY_ADDRESS: address },
  });
  await prometheus.untilTargets(
    'the units to be up',
    (all) => all.length === 3 && all.every(({ health }) => health === 'up'),
  );
  await world.deploy('my-app', 'shop/my-app:2');
  const credentials = { username: GATEWAY.GATEWAY_USERNAME, password: GATEWAY.GATEWAY_PASSWORD };
  return { world, grafana: createGrafana(`http://${address}:8888`, basicHeader(credentials)) };
}
