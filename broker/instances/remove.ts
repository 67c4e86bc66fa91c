import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { BrokerError } from '../errors.ts';
import { refusal, subjectOf } from '../refusals.ts';
import {
  ANSWER_LIMIT_MS,
  instanceTurn,
  operationOn,
  ownApp,
  within,
  type Requester,
  type Operation,
} from './parts/instance.ts';
import { removeToken } from './parts/token.ts';
import { removeVolume } from './parts/volume.ts';

/** A deploy in flight is waited for: it ends by itself, after 2 minutes if the unit does not come up. */
const PATIENCE_MS = 220_000;

/** Removes what there is of an instance. Fulfilled, too, when there is nothing. */
export async function removeInstance(context: Context, name: string, requester: Requester): Promise<void> {
  const operation = operationOn(context, name, within(context, ANSWER_LIMIT_MS));
  const { part } = operation.names;
  const steps = [
    { what: `the app ${part}`, remove: removeApp },
    { what: `the volume ${part}`, remove: removeVolume },
    { what: `the token ${part}`, remove: removeToken },
  ];
  await operation.inTurn([instanceTurn(operation)], async () => {
    // Also that of a creation which was waited for.
    context.deploys.forget(part);
    const failures: { readonly what: string; readonly error: unknown }[] = [];
    for (const { what, remove } of steps) {
      try {
        await remove(operation);
      } catch (error) {
        context.log.warn({ instance: name, reason: errorText(error), ...requester }, `${what} cannot be removed`);
        failures.push({ what, error });
        // An app that stays continues with its volume and its token.
        if (remove === removeApp) break;
      }
    }
    const [first] = failures;
    if (first === undefined) return;
    const left = first.what === steps[0]?.what ? steps : failures;
    throw notRemoved(
      part,
      left.map(({ what }) => what),
      first,
    );
  });
  context.log.info({ instance: name, app: part, ...requester }, `removed the instance ${name}: nothing is left of it`);
}

async function removeApp(operation: Operation): Promise<void> {
  const { api, names, locked } = operation;
  if ((await ownApp(operation)) === undefined) return;
  try {
    await locked(() => api.removeApp(names.part), PATIENCE_MS);
  } catch (error) {
    // An answer that broke off may have been a success.
    if ((await api.app(names.part)) !== undefined) throw error;
  }
}

function notRemoved(part: string, left: readonly string[], { what, error }: { what: string; error: unknown }): unknown {
  const told = refusal(error, `remove ${what}`, subjectOf(part));
  if (!(told instanceof BrokerError)) return told;
  return new BrokerError(
    500,
    `${told.message} Still there: ${left.join(', ')}; remove the instance again.`,
    told.cause,
  );
}
