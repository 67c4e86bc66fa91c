// Binds of instances: what is remembered, what the broker is reported, what the app gets. Who may, and which locks, is the routes'.
import type { BoundApp, BoundJob } from './broker-bodies.ts';
import type { Caused } from './broker-calls.ts';
import { TsuruError } from './errors.ts';
import type { Instance } from './services.ts';
import type { App, Job, State } from './state.ts';
import { appHosts } from './view.ts';
import type { World } from './world.ts';

/** The names of the variables that the app has got. */
export async function bind(
  { state, calls }: World,
  instance: Instance,
  app: App,
  parameters: Instance['parameters'],
  caused: Caused,
): Promise<readonly string[]> {
  if (instance.apps.includes(app.name)) throw new TsuruError('app is already bound to this service instance');
  instance.apps = [...instance.apps, app.name];
  try {
    const variables = await calls.bindApp(instance, boundApp(state, app), parameters, caused);
    const names = Object.keys(variables).sort();
    const added = names.map((name) => ({ ...ofInstance(instance), name, value: variables[name] ?? '' }));
    app.serviceEnv = [...app.serviceEnv, ...added];
    return names;
  } catch (error) {
    forgetBind(instance, app);
    throw error;
  }
}

/** How many variables the app has lost. When the broker fails, and `onFailure` throws that, all stays as it was. */
export async function unbind(
  { state, calls }: World,
  instance: Instance,
  app: App,
  caused: Caused,
  onFailure: (error: unknown) => void = rethrow,
): Promise<number> {
  if (!instance.apps.includes(app.name)) throw new TsuruError('app is not bound to this service instance');
  await calls.unbindApp(instance, boundApp(state, app), caused).catch(onFailure);
  return forgetBind(instance, app);
}

function rethrow(error: unknown): never {
  throw error;
}

/** Without asking the broker; the number of variables that the app has lost. */
function forgetBind(instance: Instance, app: App): number {
  const { length } = app.serviceEnv;
  instance.apps = instance.apps.filter((name) => name !== app.name);
  app.serviceEnv = app.serviceEnv.filter(
    (variable) => variable.service !== instance.service || variable.instance !== instance.name,
  );
  return length - app.serviceEnv.length;
}

export async function bindJob({ state, calls }: World, instance: Instance, job: Job, caused: Caused): Promise<void> {
  if (instance.jobs.includes(job.name)) throw new TsuruError('job is already bound to this service instance');
  instance.jobs = [...instance.jobs, job.name];
  try {
    await calls.bindJob(instance, boundJob(state, job), caused);
  } catch (error) {
    instance.jobs = instance.jobs.filter((name) => name !== job.name);
    throw error;
  }
}

export async function unbindJob({ calls }: World, instance: Instance, job: Job, caused: Caused): Promise<void> {
  if (!instance.jobs.includes(job.name)) throw new TsuruError('job is not bound to this service instance');
  await calls.unbindJob(instance, job.name, caused);
  instance.jobs = instance.jobs.filter((name) => name !== job.name);
}

export function boundInstances({ instances }: State, app: string): Instance[] {
  return [...instances.values()].filter(({ apps }) => apps.includes(app));
}

function boundApp({ pools, units }: State, app: App): BoundApp {
  const pool = pools.get(app.pool);
  const cluster = pool?.cluster;
  const provisioner = pool?.provisioner ?? '';
  return {
    name: app.name,
    hosts: appHosts(app, units).filter((host) => host !== ''),
    internalHosts: internalHosts(app),
    pool: app.pool,
    provisioner,
    cluster:
      cluster === undefined
        ? { name: '', provisioner: '', addresses: [] }
        : { name: cluster.name, provisioner, addresses: cluster.addresses },
  };
}

/** Not those of a version, which the next deploy changes, and none of an app that is stopped. */
function internalHosts({ internalAddresses, units }: App): string[] {
  if (units.size === 0) return [];
  return internalAddresses
    .filter(({ Version }) => Version === '')
    .map(({ Protocol, Domain, Port }) => `${Protocol.toLowerCase()}://${Domain}:${Port}`);
}

function boundJob({ pools }: State, { name, pool }: Job): BoundJob {
  return { name, pool, cluster: pools.get(pool)?.cluster?.name ?? '' };
}

function ofInstance({ service, name }: Instance): { readonly service: string; readonly instance: string } {
  return { service, instance: name };
}
