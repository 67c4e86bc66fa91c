import { bind, bindJob, unbind, unbindJob } from '../binds.ts';
import { demand } from '../callers.ts';
import { notFound } from '../errors.ts';
import type { TsuruEvent } from '../events.ts';
import { goQuote } from '../go.ts';
import { JSON_STREAM, messageJson, messageOf, type Answer, type Call, type Route } from '../http.ts';
import { child, flag } from '../input.ts';
import { assertService, findPool } from '../pools.ts';
import { findInstance, instanceContexts, instanceTarget, type Instance } from '../services.ts';
import type { App, Job } from '../state.ts';
import { causedBy, changeApp, assertOnApp, findApp, restartQuietly, type Say, type World } from '../world.ts';

export function bindRoutes(world: World): Route[] {
  const app = (method: string, answer: (world: World, call: Call) => Answer): Route[] =>
    ['/services/:service/instances/:instance/apps/:app', '/services/:service/instances/:instance/:app'].map((path) => ({
      ...{ method, path, answer: (call: Call) => answer(world, call) },
    }));
  const job = (method: string, answer: (world: World, call: Call) => Answer): Route => ({
    method,
    path: '/services/:service/instances/:instance/jobs/:job',
    answer: (call) => answer(world, call),
  });
  // The path without apps/ is that of API versions before 1.13.
  return [job('PUT', putJob), job('DELETE', deleteJob), ...app('PUT', putApp), ...app('DELETE', deleteApp)];
}

function putApp(world: World, call: Call): Answer {
  const { instance, app } = permitted(world, call, 'bind');
  assertService(world.state, findPool(world.state, app.pool), instance.service);
  return changeBind(world, call, 'bind', instance, app, async (say, event) => {
    const caused = causedBy(call, event);
    const names = await withStatus(world, call, instance, async () => {
      const bound = await bind(world, instance, app, child(call.body.tree, 'parameters'), caused);
      if (bound.length === 0) return bound;
      say(`---- Setting ${bound.length} new environment variables ----\n`);
      try {
        if (!asked(call, 'noRestart')) await restartQuietly(world, app, say);
      } catch (error) {
        // What Tsuru cannot finish it takes back, and tells the broker.
        await unbind(world, instance, app, caused).catch(() => undefined);
        throw error;
      }
      return bound;
    });
    say(`\nInstance ${goQuote(instance.name)} is now bound to the app ${goQuote(app.name)}.\n`);
    if (names.length === 0) return;
    say('The following environment variables are available for use in your app:\n\n');
    for (const name of [...names, 'TSURU_SERVICES']) say(`- ${name}\n`);
  });
}

function deleteApp(world: World, call: Call): Answer {
  const { instance, app } = permitted(world, call, 'unbind');
  return changeBind(world, call, 'unbind', instance, app, async (say, event) => {
    const lost = await unbind(world, instance, app, causedBy(call, event), (error) => {
      if (!asked(call, 'force')) throw error;
      say(`[unbind-app-endpoint] ignored error due to force: ${messageOf(error)}\n`);
    });
    if (lost > 0) {
      say(`---- Unsetting ${lost} environment variables ----\n`);
      if (!asked(call, 'noRestart')) await restartQuietly(world, app, say);
    }
    say(`\nInstance ${goQuote(instance.name)} is not bound to the app ${goQuote(app.name)} anymore.\n`);
  });
}

function putJob(world: World, call: Call): Answer {
  const { instance, job } = permittedJob(world, call, 'bind');
  assertService(world.state, findPool(world.state, job.pool), instance.service);
  return changeJob(world, call, instance, job, async (say, event) => {
    await withStatus(world, call, instance, () => bindJob(world, instance, job, causedBy(call, event)));
    say(`\nInstance ${goQuote(instance.name)} is now bound to the job ${goQuote(job.name)}.\n`);
  });
}

function deleteJob(world: World, call: Call): Answer {
  const { instance, job } = permittedJob(world, call, 'unbind');
  return changeJob(world, call, instance, job, async (say, event) => {
    await unbindJob(world, instance, job, causedBy(call, event));
    say(`\nInstance ${goQuote(instance.name)} is not bound to the job ${goQuote(job.name)} anymore.\n`);
  });
}

function permitted(world: World, call: Call, action: 'bind' | 'unbind'): { instance: Instance; app: App } {
  const instance = instanceOf(world, call, action);
  const app = findApp(world, call);
  assertOnApp(call, `app.update.${action}`, app);
  return { instance, app };
}

function permittedJob(world: World, call: Call, action: 'bind' | 'unbind'): { instance: Instance; job: Job } {
  const instance = instanceOf(world, call, action);
  const job = world.state.jobs.get(call.params['job'] ?? '');
  if (job === undefined) throw notFound('Job not found');
  const contexts = [
    { type: 'team', value: job.teamOwner },
    { type: 'job', value: job.name },
  ];
  demand(call.caller, 'job.update', contexts);
  return { instance, job };
}

function instanceOf({ state }: World, { params, caller }: Call, action: string): Instance {
  const instance = findInstance(state, params['service'] ?? '', params['instance'] ?? '');
  demand(caller, `service-instance.update.${action}`, instanceContexts(instance));
  return instance;
}

/** Locks the app and the instance, and waits for both. */
function changeBind(
  world: World,
  call: Call,
  action: string,
  { service, name }: Instance,
  app: App,
  work: (say: Say, event: TsuruEvent) => Promise<void>,
): Answer {
  const kind = `app.update.${action}`;
  const extraTargets = [instanceTarget(service, name)];
  return changeApp(
    world,
    call,
    kind,
    app,
    (say, event) => {
      if (!world.state.apps.has(app.name)) throw notFound(`App ${app.name} not found.`);
      return work(say, event);
    },
    extraTargets,
  );
}

function changeJob(
  { events, locks }: World,
  { caller }: Call,
  instance: Instance,
  job: Job,
  work: (say: Say, event: TsuruEvent) => Promise<void>,
): Answer {
  const change = {
    kind: 'job.update',
    target: { type: 'job', value: job.name },
    extraTargets: [instanceTarget(instance.service, instance.name)],
    owner: caller.owner,
    waitMs: locks.appWaitMs,
  };
  return {
    contentType: JSON_STREAM,
    run: (output) =>
      events.run(change, (event) =>
        work((message) => {
          event.log.push({ date: new Date(), message });
          output.write(messageJson(message));
        }, event),
      ),
  };
}

/** With the error of a bind Tsuru reports how the instance is. */
async function withStatus<T>({ calls }: World, call: Call, instance: Instance, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const status = await calls.status(instance, call.requestId).then(
      (text) => `${goQuote(instance.name)} is ${text}`,
      (reason: unknown) => `failed to retrieve instance status: ${messageOf(reason)}`,
    );
    throw new Error(`${messageOf(error)} (${status})`, { cause: error });
  }
}

/** The inputs of a DELETE are in its query. */
function asked({ query, body }: Call, name: string): boolean {
  return query.get(name) === 'true' || flag(body.tree, name);
}
