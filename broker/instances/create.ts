import { randomUUID } from 'node:crypto';
import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { BrokerError } from '../errors.ts';
import { refusal } from '../refusals.ts';
import type { App } from '../tsuru/app.ts';
import { isDefinitiveAnswer } from '../tsuru/failures.ts';
import { adoptApp, claimApp, ensureApp, type DesiredApp, type Made } from './parts/app.ts';
import {
  deployOf,
  instanceTurn,
  MAKER_ANNOTATION,
  operationOn,
  OWN_VARIABLES,
  within,
  type Requester,
  type Operation,
} from './parts/instance.ts';
import { assertNewest } from './image.ts';
import { readDesired, type Parameters } from '../plans/parameters.ts';
import { ensureToken, removeToken } from './parts/token.ts';
import { ensureVariables } from './parts/variables.ts';
import { assertVolumePlan, bindVolume, ensureVolume, removeVolume } from './parts/volume.ts';

/** Tsuru waits 5 minutes, and does not undo what it has no answer to. */
const LIMIT_MS = 150_000;
const UNDO_LIMIT_MS = 100_000;

export interface CreateRequest {
  readonly name: string;
  readonly team: string;
  /** '': the default. */
  readonly plan: string;
  readonly parameters: Parameters;
  /** The pool of Tsuru's instance, of a multi-cluster service. */
  readonly pool: string;
}

/** What this call has made, in order. */
interface Undoable {
  readonly what: string;
  readonly undo: (operation: Operation) => Promise<void>;
}

/** Makes an instance's parts one after the other, continuing where an earlier try has stopped, and has it deployed. */
export async function createInstance(context: Context, request: CreateRequest, requester: Requester): Promise<void> {
  const { name, team } = request;
  if (team === '') throw new BrokerError(400, 'An instance needs a team: add "-t TEAM".');
  const desired = readDesired(context.plans, request.plan, request.parameters);
  if (desired.pool !== '' && request.pool !== '' && desired.pool !== request.pool) {
    throw new BrokerError(
      400,
      `The instance's pool is ${request.pool}: leave out the parameter pool, or give the same.`,
    );
  }
  assertNewest(context.image, desired.image);
  const operation = operationOn(context, name, within(context, LIMIT_MS));
  await context.assertRules(desired.rules, operation.signal);
  const pool = request.pool || desired.pool || desired.plan.pool || context.pool;
  await operation.inTurn([instanceTurn(operation)], async () => {
    const made: Undoable[] = [];
    const adopted: string[] = [];
    const making: Making = { team, desired, pool, maker: randomUUID(), made, adopted };
    try {
      await makeParts(operation, making);
    } catch (error) {
      throw await undone(operation, told(operation, error, making), making);
    }
  });
  const { part } = operation.names;
  const plan = desired.plan.name;
  context.log.info(
    { instance: name, team, plan, app: part, ...requester },
    `created the instance ${name}: app ${part}, plan ${plan}`,
  );
}

interface Making extends DesiredApp {
  readonly made: Undoable[];
  readonly adopted: string[];
}

async function makeParts(operation: Operation, making: Making): Promise<void> {
  const { team, desired, pool, maker, made, adopted } = making;
  const { api, context, id, names, signal } = operation;
  const { part } = names;
  await assertVolumePlan(operation, desired.plan);

  /** What Tsuru has given no clear answer about may be there anyway. */
  async function ensure<T>(
    { what, undo }: Undoable,
    work: () => Promise<readonly [Made, T]>,
    mayBeMade: (error: unknown) => boolean,
  ): Promise<T> {
    try {
      const [which, result] = await work();
      if (which === 'made') made.push({ what, undo });
      else adopted.push(what);
      return result;
    } catch (error) {
      if (mayBeMade(error)) made.push({ what, undo });
      throw error;
    }
  }

  const app = { what: `the app ${part}`, undo: (undoing: Operation) => undoing.api.removeApp(part) };
  const isUnclear = (error: unknown): boolean => !(error instanceof BrokerError) && !isDefinitiveAnswer(error);
  const leftover = await ensure(app, () => ensureApp(operation, making), isUnclear);
  if (leftover !== undefined) await claimApp(operation, maker);

  // Tsuru's choice, if none was named.
  const appPool = pool === '' ? ((leftover ?? (await api.app(part)))?.pool ?? '') : pool;
  // Beside an app that is new there is nothing of the instance that anybody uses.
  const isOfNewApp = (error: unknown): boolean => !(error instanceof BrokerError) && leftover === undefined;
  const volume = { what: `the volume ${part}`, undo: removeVolume };
  await ensure(volume, () => ensureVolume(operation, team, desired.plan, appPool), isOfNewApp);
  await bindVolume(operation);
  if (leftover !== undefined) await adoptApp(operation, leftover, desired);

  const tokenPart = { what: `the token ${part}`, undo: removeToken };
  const token = await ensure(tokenPart, () => ensureToken(operation, team), isOfNewApp);
  await context.grants.grant(api, part, part, signal);

  const present = leftover === undefined ? undefined : await api.env(part, OWN_VARIABLES);
  const isChanged = await ensureVariables(operation, token, present);
  if (leftover !== undefined && !isChanged && (await isDeployed(operation, leftover))) return;
  await context.deploys.start(part, `instance ${id.instance} of the service ${id.service}`);
}

async function isDeployed({ api, names }: Operation, app: App): Promise<boolean> {
  const deploy = deployOf(app, await api.lastDeploy(names.part));
  return deploy?.error === '';
}

function told({ names }: Operation, error: unknown, { team, desired, pool }: DesiredApp): unknown {
  const { name: plan, tsuruPlan, storage } = desired.plan;
  return refusal(error, 'make the instance', {
    ...{ app: names.part, team, pool, plan, tsuruPlan, volumePlan: storage.volumePlan },
  });
}

/** Takes back what this call has made, last first, and adds to the error what is left. */
async function undone({ context, id }: Operation, error: unknown, { maker, made, adopted }: Making): Promise<unknown> {
  // A signal of its own: when the broker stops, what it has made goes anyway. What is left then is the reconciler's.
  const undoing = operationOn(context, id.instance, AbortSignal.timeout(UNDO_LIMIT_MS));
  const left = [...adopted];
  for (const { what, undo } of made.toReversed()) {
    try {
      await assertStillOurs(undoing, maker);
      await undoing.locked(() => undo(undoing));
    } catch (undoError) {
      context.log.warn({ instance: id.instance, reason: errorText(undoError) }, `${what} could not be removed again`);
      left.push(what);
    }
  }
  if (left.length === 0 || !(error instanceof BrokerError)) return error;
  const message = `${error.message} Left for the next try, which uses it: ${left.join(', ')}.`;
  return new BrokerError(error.status, message, error.cause);
}

/** Another broker may have adopted what this one has made, and continue with it. */
async function assertStillOurs({ api, names }: Operation, maker: string): Promise<void> {
  const app = await api.app(names.part);
  if (app !== undefined && app.annotations.get(MAKER_ANNOTATION) !== maker) {
    throw new Error('another creation uses it');
  }
}
