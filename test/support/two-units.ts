import { join } from 'node:path';
import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { freeAddress } from './address.ts';
import type { RunningAgent } from './agent.ts';
import { ownAccess, viewPrometheus, type PrometheusView } from './prometheus.ts';
import { until } from './until.ts';
import { startWorld, type World } from './world.ts';

/** A unit of an instance: an agent and its Prometheus. */
export interface InstanceUnit {
  readonly agent: RunningAgent;
  readonly prometheus: PrometheusView;
}

/** Two units of one instance side by side, as during a deploy. */
export interface TwoUnits extends AsyncDisposable {
  readonly world: World;
  readonly first: InstanceUnit;
  readonly second: InstanceUnit;
}

/** Both run with these settings, and scrape the only unit of the app my-app. */
export async function startTwoUnits(settings: Readonly<Record<string, unknown>>): Promise<TwoUnits> {
  const world = await startWorld();
  const { app } = world.instance;
  await world.bindNew(app);
  await world.bindNew('my-app');
  await world.annotate(app, { [SETTINGS_ANNOTATION]: JSON.stringify(settings) });
  const start = async (name: string): Promise<InstanceUnit> => {
    const folder = join(world.folder, name);
    const ownPrometheus = `${freeAddress()}:9090`;
    const env = { TSURU_APPNAME: app, HOSTNAME: name };
    const agent = await world.startAgent({ folder, prometheusUrl: undefined, ownPrometheus, env });
    const prometheus = viewPrometheus(`http://${ownPrometheus}`, () => ownAccess(folder));
    await until(`${name} to be ready`, async () => (await agent.get('/readyz')).status === 200);
    return { agent, prometheus };
  };
  const [first, second] = await Promise.all([start('unit-1'), start('unit-2')]);
  return { world, first, second, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}
