import { errorText } from '../../agent/shared/text.ts';
import { TsuruError } from '../../agent/shared/tsuru.ts';
import type { Context } from '../context.ts';
import { BrokerError } from '../errors.ts';
import { refusal, subjectOf } from '../refusals.ts';
import type { App } from '../tsuru/app.ts';
import { changeBinds } from './binds-annotation.ts';
import {
  addressOf,
  appIsGone,
  ANSWER_LIMIT_MS,
  bindsGiveEnv,
  instanceTurn,
  operationOn,
  ownApp,
  VARIABLES,
  within,
  type Requester,
  type Operation,
} from './parts/instance.ts';
import { readBindEnv, type Parameters } from '../plans/parameters.ts';
import { ownToken } from './parts/token.ts';

/** How long a bind that gives variables waits for the address, which comes with the first deploy: most take less. */
const ADDRESS_PATIENCE_MS = 90_000;
const ADDRESS_LOOK_EVERY_MS = 2_000;
/** Two requests; a rollout of the instance may lock its app for minutes. */
const CONFIRM_LIMIT_MS = 3_000;

export interface BindRequest {
  readonly app: string;
  /** '' where Tsuru does not report. */
  readonly pool: string;
  readonly cluster: string;
  readonly parameters: Parameters;
}

/** Lets an instance read an app, and returns the variables that the app gets. */
export async function bindApp(
  context: Context,
  name: string,
  request: BindRequest,
  requester: Requester,
): Promise<Readonly<Record<string, string>>> {
  const problems: string[] = [];
  const asked = readBindEnv(request.parameters, problems);
  if (problems.length > 0) throw new BrokerError(400, problems.join(' '));
  const operation = operationOn(context, name, within(context, ANSWER_LIMIT_MS));
  const { api, names, signal } = operation;
  const own = await tell(`look for the app of ${name}`, names.part, () => ownApp(operation));
  if (own === undefined) throw appIsGone(operation);
  if (request.app === names.part) {
    throw new BrokerError(400, `${names.part} is this instance's own app, which it scrapes anyway: bind another app.`);
  }
  checkCluster(own, request);
  // First, for Tsuru does not unbind an app whose bind fails.
  const variables =
    (asked ?? bindsGiveEnv(own))
      ? await tell(`read the variables of ${name}`, names.part, () => variablesOf(operation, own))
      : {};
  await tell(`let ${name} read ${request.app}`, names.part, async () => {
    if ((await ownToken(operation)) === undefined) throw await withoutToken(operation);
    await grantTo(operation, request.app, () => context.grants.grant(api, names.part, request.app, signal));
  });
  await confirm(operation, async () => {
    const team = (await api.app(request.app))?.team ?? '';
    return (binds) => (team === '' ? binds : new Map([...binds, [request.app, team]]));
  });
  context.log.info(
    { instance: name, boundApp: request.app, ...requester },
    `bound ${request.app} to the instance ${name}`,
  );
  context.poke(name, [request.app]);
  return variables;
}

/** Fulfilled, too, when there is nothing to take back. */
export async function unbindApp(context: Context, name: string, app: string, requester: Requester): Promise<void> {
  const operation = operationOn(context, name, within(context, ANSWER_LIMIT_MS));
  const { api, names, signal } = operation;
  // Its own app is no bind: without it the instance would not find its settings.
  if (app !== names.part) {
    await tell(`take ${app} from ${name}`, names.part, async () => {
      if ((await ownToken(operation)) === undefined) return;
      await context.grants.revoke(api, names.part, app, signal);
    });
    await confirm(operation, () => Promise.resolve((binds) => new Map([...binds].filter(([name]) => name !== app))));
  }
  context.poke(name, []);
  context.log.info({ instance: name, boundApp: app, ...requester }, `unbound ${app} from the instance ${name}`);
}

/**
 * Writes a change of the confirmed binds to the instance's app, if that is possible at once. Neither bind nor unbind waits or fails for it: the
 * reconciler writes it within a minute, and only an app that came back with another team needs it.
 */
async function confirm(
  { context, id, signal }: Operation,
  changeOf: () => Promise<(binds: ReadonlyMap<string, string>) => ReadonlyMap<string, string>>,
): Promise<void> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(CONFIRM_LIMIT_MS)]);
  const operation = operationOn(context, id.instance, limited);
  try {
    await operation.inTurn([instanceTurn(operation)], async () => {
      await changeBinds(operation, await changeOf());
    });
  } catch (error) {
    context.log.debug({ instance: id.instance, reason: errorText(error) }, 'the reconciler confirms the bind');
  }
}

/** Addresses of units do not cross clusters. What Tsuru does not report cannot be compared. */
function checkCluster(own: App, { app, pool, cluster }: BindRequest): void {
  if (own.cluster === '' || cluster === '' || own.cluster === cluster) return;
  const where = pool === '' ? `the cluster ${cluster}` : `the pool ${pool} of the cluster ${cluster}`;
  throw new BrokerError(
    400,
    `${app} runs in ${where}, but this instance in the cluster ${own.cluster}, from where it cannot reach its units: ` +
      `bind it to an instance there ("--plan-param pool=${pool || 'POOL'}" when you add one).`,
  );
}

async function grantTo(operation: Operation, app: string, grant: () => Promise<void>): Promise<void> {
  try {
    await grant();
  } catch (error) {
    if (!(error instanceof TsuruError)) throw error;
    if (/app not found/i.test(error.words)) throw new BrokerError(400, `There is no app ${app}.`, error);
    if (error.failure !== 'not_found') throw error;
    throw await withoutToken(operation, error);
  }
}

/** The reconciler makes a token again, but never takes a foreign one. */
async function withoutToken({ api, names: { part } }: Operation, cause?: unknown): Promise<BrokerError> {
  return (await api.token(part)) === undefined
    ? new BrokerError(
        503,
        `The token ${part} of this instance is gone, and is made again within two minutes: bind again then.`,
        cause,
      )
    : new BrokerError(
        500,
        `The token ${part} belongs to somebody else, so this instance has none: tell an administrator.`,
        cause,
      );
}

async function variablesOf(operation: Operation, own: App): Promise<Readonly<Record<string, string>>> {
  const { api, names } = operation;
  const address = await addressInTime(operation, own);
  const env = await api.env(names.part, [VARIABLES.username, VARIABLES.password]);
  const [username, password] = [env?.get(VARIABLES.username), env?.get(VARIABLES.password)];
  if (address === '' || username === undefined || password === undefined) {
    throw new BrokerError(400, 'The instance has no address yet: bind again when it is deployed.');
  }
  return { PROMETHEUS_URL: address, PROMETHEUS_USERNAME: username, PROMETHEUS_PASSWORD: password };
}

/** Waits for the address of an instance that is being deployed; '' when it has none by then, or is gone. */
async function addressInTime(operation: Operation, own: App): Promise<string> {
  const { clock, instanceUrl } = operation.context;
  const deadlineMs = clock.nowMs() + ADDRESS_PATIENCE_MS;
  for (let app: App | undefined = own; app !== undefined; app = await ownApp(operation)) {
    const address = addressOf(instanceUrl, app);
    if (address !== '' || clock.nowMs() >= deadlineMs) return address;
    await clock.sleep(ADDRESS_LOOK_EVERY_MS, operation.signal);
    operation.signal.throwIfAborted();
  }
  return '';
}

async function tell<T>(doing: string, app: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw refusal(error, doing, subjectOf(app));
  }
}
