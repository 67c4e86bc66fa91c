import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import type { AgentOptions, RunningAgent } from './agent.ts';
import type { PrometheusView } from './prometheus.ts';
import { startWorld, type World } from './world.ts';

/** An agent with a Prometheus of its own, and the settings of its instance. */
export interface RunningInstance extends AsyncDisposable {
  readonly world: World;
  readonly agent: RunningAgent;
  readonly prometheus: PrometheusView;
  readonly set: (settings: unknown) => Promise<void>;
}

/** A world in which the instance is an app of its own with these settings, which its token may read. */
export async function startInstance(settings: unknown, options: Partial<AgentOptions> = {}): Promise<RunningInstance> {
  const world = await startWorld();
  const { app } = world.instance;
  const set = (now: unknown): Promise<void> =>
    world.annotate(app, { [SETTINGS_ANNOTATION]: typeof now === 'string' ? now : JSON.stringify(now) });
  await world.bindNew(app);
  await world.bindNew('my-app', 2);
  if (settings !== undefined) await set(settings);
  const started = await world.startSupervised({ ...options, env: { TSURU_APPNAME: app, ...options.env } });
  return { world, ...started, set, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}
