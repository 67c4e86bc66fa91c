import { randomBytes, randomUUID } from 'node:crypto';
import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { BrokerError } from '../errors.ts';
import { refusal } from '../refusals.ts';
import type { App } from '../tsuru/app.ts';
import { retryLocked } from '../tsuru/locked.ts';
import { adoptApp, ensureApp, type AppWish, type Made } from './app-part.ts';
import {
  deployOf,
  instanceTurn,
  MAKER_ANNOTATION,
  MANAGED_BY,
  operationOn,
  USERNAME,
  VARIABLES,
  type Doer,
  type Operation,
} from './instance.ts';
import { readWish, type Parameters } from './parameters.ts';
import { ensureToken, removeToken } from './token-part.ts';
import { bindVolume, ensureVolume, removeVolume } from './volume-part.ts';

/** Tsuru waits 5 minutes, and does not undo what it has no answer to. */
const LIMIT_MS = 150_000;
const UNDO_LIMIT_MS = 100_000;
/** 144 bits. */
const PASSWORD_BYTES = 18;

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
export async function createInstance(context: Context, request: CreateRequest, doer: Doer): Promise<void> {
  const { name, team } = request;
  if (team === '') throw new BrokerError(400, 'An instance needs a team: add "-t TEAM".');
  const wish = readWish(context.plans, request.plan, request.parameters);
  if (wish.pool !== '' && request.pool !== '' && wish.pool !== request.pool) {
    throw new BrokerError(
      400,
      `The instance's pool is ${request.pool}: leave out the parameter pool, or give the same.`,
    );
  }
  const operation = operationOn(context, name, AbortSignal.timeout(LIMIT_MS));
  const pool = request.pool || wish.pool || wish.plan.pool || context.pool;
  await context.turns.take([instanceTurn(operation)], async () => {
    const made: Undoable[] = [];
    const adopted: string[] = [];
    const making: Making = { team, wish, pool, maker: randomUUID(), made, adopted };
    try {
      await makeParts(operation, making);
    } catch (error) {
      throw await undone(operation, told(operation, error, making), making);
    }
  });
  const { part } = operation.names;
  const plan = wish.plan.name;
  context.log.info(
    { instance: name, team, plan, app: part, ...doer },
    `created the instance ${name}: app ${part}, plan ${plan}`,
  );
}

interface Making extends AppWish {
  readonly made: Undoable[];
  readonly adopted: string[];
}

async function makeParts(operation: Operation, making: Making): Promise<void> {
  const { team, wish, pool, made, adopted } = making;
  const { api, context, id, names, signal } = operation;
  const { part } = names;
  const note = (which: Made, what: string, undo: Undoable['undo']): void => {
    if (which === 'made') made.push({ what, undo });
    else adopted.push(what);
  };

  const [appMade, leftover] = await ensureApp(operation, making);
  note(appMade, `the app ${part}`, (undoing) => undoing.api.removeApp(part));
  // The one that Tsuru has taken, if nobody has named one.
  const appPool = pool === '' ? ((leftover ?? (await api.app(part)))?.pool ?? '') : pool;

  note(await ensureVolume(operation, team, wish.plan, appPool), `the volume ${part}`, removeVolume);
  await bindVolume(operation);
  if (leftover !== undefined) await adoptApp(operation, leftover, wish);

  const [tokenMade, token] = await ensureToken(operation, team);
  note(tokenMade, `the token ${part}`, removeToken);
  await context.grants.grant(api, part, part, signal);

  const isChanged = await ensureEnv(operation, token, appMade);
  if (leftover !== undefined && !isChanged && (await isDeployed(operation, leftover))) return;
  await context.deploys.start(part, `instance ${id.instance} of the service ${id.service}`);
}

/** Tells whether anything was changed. A password that is there stays. */
async function ensureEnv({ api, context, names, signal }: Operation, token: string, app: Made): Promise<boolean> {
  const present = app === 'made' ? undefined : await api.env(names.part, Object.values(VARIABLES));
  const wanted = {
    [VARIABLES.token]: token,
    [VARIABLES.username]: present?.get(VARIABLES.username) ?? USERNAME,
    [VARIABLES.password]: present?.get(VARIABLES.password) ?? randomBytes(PASSWORD_BYTES).toString('base64url'),
  };
  if (Object.entries(wanted).every(([name, value]) => present?.get(name) === value)) return false;
  await retryLocked(() => api.setEnv(names.part, wanted, MANAGED_BY), { clock: context.clock, signal });
  return true;
}

async function isDeployed({ api, names }: Operation, app: App): Promise<boolean> {
  const deploy = deployOf(app, await api.lastDeploy(names.part));
  return deploy?.error === '';
}

function told({ names }: Operation, error: unknown, { team, wish, pool }: AppWish): unknown {
  const { name: plan, tsuruPlan, storage } = wish.plan;
  return refusal(error, 'make the instance', {
    ...{ app: names.part, team, pool, plan, tsuruPlan, volumePlan: storage.volumePlan },
  });
}

/** Takes back what this call has made, last first, and adds to the error what is left. */
async function undone({ context, id }: Operation, error: unknown, { maker, made, adopted }: Making): Promise<unknown> {
  const undoing = operationOn(context, id.instance, AbortSignal.timeout(UNDO_LIMIT_MS));
  const left = [...adopted];
  for (const { what, undo } of made.toReversed()) {
    try {
      await demandStillOurs(undoing, maker);
      await retryLocked(() => undo(undoing), { clock: context.clock, signal: undoing.signal });
    } catch (undoError) {
      context.log.warn({ instance: id.instance, reason: errorText(undoError) }, `${what} could not be removed again`);
      left.push(what);
    }
  }
  if (left.length === 0 || !(error instanceof BrokerError)) return error;
  const message = `${error.message} Left for the next try, which goes on with it: ${left.join(', ')}.`;
  return new BrokerError(error.status, message, error.cause);
}

/** Another broker may have adopted what this one has made, and go on with it. */
async function demandStillOurs({ api, names }: Operation, maker: string): Promise<void> {
  const app = await api.app(names.part);
  if (app !== undefined && app.annotations.get(MAKER_ANNOTATION) !== maker) {
    throw new Error('another creation goes on with it');
  }
}
