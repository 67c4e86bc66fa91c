import { load } from 'js-yaml';
import { parseDuration } from '../../agent/shared/duration.ts';
import { renderDatasource } from '../../agent/shared/grafana.ts';
import { asArray, asObject, asOptionalText, parseJson, ShapeError } from '../../agent/shared/shape.ts';
import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { BrokerError } from '../errors.ts';
import { versionOf } from '../image-name.ts';
import { ACCESS_VARIABLES, askInstance, placeOf, type AgentPlace } from './agent-request.ts';
import { addressOf, appIsGone, operationOn, ownApp, within, type Operation } from './parts/instance.ts';

/** Tsuru asks a cluster for the instance's unit, which may be slow. */
const LIMIT_MS = 10_000;

/** How an instance is reached: by the broker, and by a Grafana. */
interface Reached {
  readonly place: AgentPlace;
  /** '' while it has none. */
  readonly address: string;
}

/**
 * The instance as a data source of Grafana. `withPassword` says whether its password is in it.
 * @throws {BrokerError} when the instance does not answer.
 */
export async function grafanaDatasource(context: Context, name: string, withPassword: boolean): Promise<string> {
  const operation = operationOn(context, name, within(context, LIMIT_MS));
  const reached = await reach(operation);
  const { address, place } = reached;
  const scrapeIntervalMs = await read(operation, reached, 'datasource.yaml', (chunks) =>
    readInterval(load(Buffer.concat(chunks).toString('utf8'))),
  );
  const { service, instance } = operation.id;
  return renderDatasource(
    {
      app: operation.names.part,
      url: address === '' ? undefined : address,
      username: place.credentials.username,
      ...(withPassword ? { password: place.credentials.password } : {}),
      scrapeIntervalMs,
    },
    `tsuru service-instance-info ${service} ${instance}`,
  );
}

/**
 * A dashboard, as this instance's version has it.
 * @throws {BrokerError} when the instance does not answer.
 */
export async function grafanaDashboard(context: Context, name: string, file: `${string}.json`): Promise<unknown> {
  const operation = operationOn(context, name, within(context, LIMIT_MS));
  return read(operation, await reach(operation), file, parseJson);
}

async function reach(operation: Operation): Promise<Reached> {
  const { api, names, context } = operation;
  const [app, env] = await Promise.all([ownApp(operation), api.env(names.part, ACCESS_VARIABLES)]);
  if (app === undefined) throw appIsGone(operation);
  const place = placeOf(context.instanceUrl, app, env);
  if (place === undefined) throw isNotReady(operation, 503, 'it is not up');
  return { place, address: addressOf(context.instanceUrl, { ...app, address: app.cname || app.address }) };
}

/** Reads one of the files that the agent has for Grafana. */
async function read<T>(
  operation: Operation,
  { place }: Reached,
  file: string,
  parse: (chunks: readonly Buffer[]) => T,
): Promise<T> {
  const reply = await askInstance(place, `/tsuru/grafana/${file}`, operation.signal);
  if (reply.kind === 'refused') throw isNotReady(operation, 502, 'it rejected its own password');
  if (reply.kind === 'silent') {
    throw reply.status === 404 ? isOlder(operation) : isNotReady(operation, 502, reply.reason);
  }
  try {
    return parse(reply.chunks);
  } catch (error) {
    throw isNotReady(operation, 502, errorText(error));
  }
}

/** What the instance is scraped with, of its own file for Grafana. */
function readInterval(file: unknown): number {
  const [datasource] = asArray(asObject(file, 'its file')['datasources'], 'datasources');
  const { jsonData } = asObject(datasource, 'the data source');
  const interval = parseDuration(asOptionalText(asObject(jsonData, 'jsonData')['timeInterval'], 'timeInterval'));
  if (interval === undefined) throw new ShapeError('timeInterval is no duration');
  return interval;
}

function isOlder({ id: { service, instance }, context }: Operation): BrokerError {
  return new BrokerError(
    502,
    `The instance runs an older version, which has no files for Grafana: upgrade it with "tsuru service-instance-update ${service} ${instance} --plan-param image=${versionOf(context.image)}", which empties its data.`,
  );
}

function isNotReady({ id: { service, instance } }: Operation, status: number, reason: string): BrokerError {
  return new BrokerError(
    status,
    `The instance does not give its files for Grafana (${reason}): run "tsuru service-instance-status ${service} ${instance}" for what to do.`,
  );
}
