import { BrokerError } from '../errors.ts';
import { imageStateOf, noteImage } from './image.ts';
import { appIsGone, instanceTurn, ownApp, type Operation } from './parts/instance.ts';

/** Between two looks at a deploy that goes on. */
const LOOK_EVERY_MS = 2_000;

/** Whether an instance has this image, and its deploy has succeeded. Waits for the end of a deploy that goes on. */
export async function hasImage(operation: Operation, image: string): Promise<boolean> {
  const { api, context, names, signal } = operation;
  for (;;) {
    const app = await ownApp(operation);
    if (app === undefined) throw appIsGone(operation);
    const last = await api.lastDeploy(names.part);
    if (last?.isRunning !== true) {
      const state = imageStateOf(app, last);
      return state.image === image && state.isDone;
    }
    await context.clock.sleep(LOOK_EVERY_MS, signal);
    signal.throwIfAborted();
  }
}

/**
 * Deploys an image to an instance, which restarts it with empty data, and resolves once its new unit is ready.
 * @throws with Tsuru's reason when the deploy failed: then the unit before keeps running.
 */
export async function upgradeInstance(operation: Operation, image: string): Promise<void> {
  const { context, names, signal } = operation;
  await operation.inTurn([instanceTurn(operation)], async () => {
    await noteImage(operation, image);
    const failure = await context.deploys.finish(names.part, `upgrade to ${image}`, image, signal);
    if (failure !== undefined) throw new BrokerError(500, `the deploy failed: ${failure}`);
  });
}
