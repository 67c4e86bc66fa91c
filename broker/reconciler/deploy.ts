import { noteImage } from '../instances/image.ts';
import {
  deployOf,
  IMAGE_ANNOTATION,
  instanceTurn,
  ownApp,
  VARIABLES,
  type Operation,
} from '../instances/parts/instance.ts';

/** Brokers may start at once: the later one sees what the other has begun. */
const MOST_PAUSE_MS = 5_000;

/** What Tsuru says of a change whose own process ended meanwhile (event/event.go, event/cleaner.go). */
const BROKE_OFF = 'event expired, no update for ';

/** Deploys an instance whose deploy was never begun, or broke off: Tsuru failed at that time, or the broker that was to begin it stopped. */
export async function deployUnlessDone(operation: Operation): Promise<string | undefined> {
  const { api, context, names, signal } = operation;
  // An instance that is stopped has no units, either.
  if (context.deploys.isRunning(names.part) || ((await ownApp(operation))?.deploys ?? 0) > 0) return undefined;
  await context.clock.sleep(context.clock.random() * MOST_PAUSE_MS, signal);
  return operation.inTurn([instanceTurn(operation)], async () => {
    // It may have been removed, or deployed, since it was listed.
    const app = await ownApp(operation);
    if (app === undefined || app.deploys > 0 || context.deploys.isRunning(names.part)) return undefined;
    const last = deployOf(app, await api.lastDeploy(names.part));
    // One that failed is its owner's: it would fail again.
    if (last !== undefined && !last.error.startsWith(BROKE_OFF)) return undefined;
    if ((await api.env(names.part, [VARIABLES.token]))?.has(VARIABLES.token) !== true) return undefined;
    // Another broker made it, with an image of its own.
    if (app.annotations.get(IMAGE_ANNOTATION) !== context.image) await noteImage(operation, context.image);
    await context.deploys.start(names.part, 'resumed by the broker');
    return `${names.part} was never deployed${last === undefined ? '' : ' to its end'}: it is now`;
  });
}
