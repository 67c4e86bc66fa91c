import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { commonStart, namesOf } from '../names.ts';
import { createApi } from '../tsuru/api.ts';
import { deployOf, instanceTurn, operationOn, ownApp, ownerOfApp, VARIABLES } from './instance.ts';

/** A deploy that was refused when Tsuru had trouble, or that a broker was to begin when it stopped, waits no longer. */
const EVERY_MS = 60_000;
/** Brokers may start at once: who looks later sees what the other has begun. */
const MOST_PAUSE_MS = 5_000;

/** Begins deploys that were never begun, now and again until the signal; never rejects. */
export async function resumeDeploys(context: Context, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await resumeOnce(context, signal);
    await context.clock.sleep(EVERY_MS, signal).catch(() => undefined);
  }
}

/** Of instances that Tsuru knows, whose app is ready for it. */
async function resumeOnce(context: Context, signal: AbortSignal): Promise<void> {
  const { log, service } = context;
  const api = createApi(context.tsuru, signal);
  try {
    const waiting = (await api.apps(commonStart(service))).flatMap((app) => {
      const { name, units, unitsError } = app;
      const id = ownerOfApp(app);
      const isWaiting = units.length === 0 && unitsError === '' && !context.deploys.isRunning(name);
      // Anybody may give an app of theirs this tag or annotation, but not this name as well.
      return isWaiting && id?.service === service && namesOf(id).part === name ? [id.instance] : [];
    });
    if (waiting.length === 0) return;
    const instances = await api.instances(service);
    for (const instance of waiting.filter((name) => instances.has(name))) {
      try {
        await context.clock.sleep(context.clock.random() * MOST_PAUSE_MS, signal);
        await resume(context, instance, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ instance, reason: errorText(error) }, `the deploy of ${instance} could not be begun`);
      }
    }
  } catch (error) {
    if (signal.aborted) return;
    log.warn({ reason: errorText(error) }, 'whether deploys are to be resumed is not known');
  }
}

async function resume(context: Context, instance: string, signal: AbortSignal): Promise<void> {
  const operation = operationOn(context, instance, signal);
  const { api, names } = operation;
  await operation.inTurn([instanceTurn(operation)], async () => {
    // It may have been removed, or deployed, since it was listed.
    const app = await ownApp(operation);
    if (app === undefined || app.deploys > 0 || context.deploys.isRunning(names.part)) return;
    if (deployOf(app, await api.lastDeploy(names.part)) !== undefined) return;
    if ((await api.env(names.part, [VARIABLES.token]))?.has(VARIABLES.token) !== true) return;
    context.log.info({ app: names.part }, `${names.part} was never deployed: it is now`);
    await context.deploys.start(names.part, 'resumed by the broker');
  });
}
