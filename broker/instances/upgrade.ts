import { BrokerError } from '../errors.ts';
import { deployReason } from '../tsuru/deploy-reason.ts';
import { imageStateOf, noteImage } from './image.ts';
import { appIsGone, instanceTurn, ownApp, type Operation } from './parts/instance.ts';

/** Between two looks at a deploy whose request broke off. */
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
  const { api, context, names, signal } = operation;
  await operation.inTurn([instanceTurn(operation)], async () => {
    await noteImage(operation, image);
    const before = (await api.lastDeploy(names.part))?.id;
    const deploy = (): Promise<boolean> => api.deploy(names.part, image, `upgrade to ${image}`, () => undefined);
    if (await operation.locked(deploy)) return;
    for (;;) {
      const last = await api.lastDeploy(names.part);
      if (last === undefined || last.id === before) throw new BrokerError(500, 'the deploy did not reach Tsuru');
      if (!last.isRunning && last.error === '') return;
      if (!last.isRunning) throw new BrokerError(500, `the deploy failed: ${deployReason(last.error)}`);
      await context.clock.sleep(LOOK_EVERY_MS, signal);
      signal.throwIfAborted();
    }
  });
}
