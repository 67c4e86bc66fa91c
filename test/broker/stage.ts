// A local Tsuru with the service prometheus and our broker behind it: what tests of the broker start from.
import { text } from 'node:stream/consumers';
import { createLog, type Log } from '../../agent/shared/log.ts';
import { brokerPermissions } from '../../broker/tsuru/permissions.ts';
import { startBroker, type Broker } from '../../broker/broker.ts';
import { systemClock, type Clock } from '../../agent/shared/clock.ts';
import { readConfig, type Config } from '../../broker/config.ts';
import { expect } from '../support/instance.ts';
import { createApp, createClient, type Client, type Reply } from '../tsuru/client.ts';
import type { Images, InProcess } from '../tsuru/images.ts';
import { startTsuru, type LocalTsuru, type TsuruOptions } from '../tsuru/server.ts';
import type { Encoding } from '../tsuru/services.ts';
import { httpUnit } from '../support/unit.ts';

export const AUTH = { username: 'tsuru', password: 'a-password-of-tsuru' } as const;
const IMAGE = 'shop/prometheus:1';
export const APP = 'prometheus-my-instance';

/** An answer of the stand-in for an instance's agent: a status, or how it misbehaves. */
export type AgentScript = (asked: {
  readonly method: string;
  readonly path: string;
  readonly authorization: string;
  readonly body: string;
}) => { readonly status: number; readonly body: string; readonly location?: string } | 'hang';

export interface StageOptions {
  readonly tsuru?: Partial<TsuruOptions>;
  readonly encoding?: Encoding;
  readonly isMultiCluster?: boolean;
  readonly service?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly agent?: AgentScript;
  readonly clock?: Clock;
  /** False: a test that binds by asking the broker itself, so that Tsuru lists no bind. */
  readonly reconciles?: boolean;
  /** Of the broker's role, instead of all that it needs. */
  readonly permissions?: readonly string[];
  /** False: nobody has made the role of instances. */
  readonly hasReader?: boolean;
}

export interface Stage extends AsyncDisposable {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  readonly broker: Broker;
  readonly brokerToken: string;
  /** Asks the broker as Tsuru does, with its user and password. */
  ask(method: string, path: string, init?: { body?: string; headers?: Record<string, string> }): Promise<Reply>;
  add(name?: string, more?: Readonly<Record<string, string>>): Promise<Reply>;
  remove(name?: string): Promise<Reply>;
  bind(app: string, name?: string): Promise<Reply>;
  unbind(app: string, name?: string): Promise<Reply>;
  update(name: string, form: Readonly<Record<string, string>>): Promise<Reply>;
  info(name?: string): Promise<Readonly<Record<string, string>>>;
  status(name?: string): Promise<string>;
  createApp(name: string, image?: string): Promise<void>;
  /** From now on the agents of all instances answer so. */
  say(agent: AgentScript): void;
  /** Another broker on the same Tsuru; ended with the stage. */
  startBroker(environment?: Readonly<Record<string, string>>): Promise<Broker>;
  /** What the broker has logged. */
  readonly lines: readonly string[];
}

const STATUS = { ready: true, problems: [], sync: { inSync: true }, prometheus: { ready: true }, apps: [] };
/** JSON is YAML. */
const DATASOURCE = { datasources: [{ jsonData: { timeInterval: '15s' } }] };
const wellAgent: AgentScript = ({ path }) => ({
  status: 200,
  body: JSON.stringify(path === '/tsuru/grafana/datasource.yaml' ? DATASOURCE : STATUS),
});

export async function startStage(options: StageOptions = {}): Promise<Stage> {
  const { service = 'prometheus' } = options;
  let { agent = wellAgent } = options;
  const stack = new AsyncDisposableStack();
  const tsuru = await startTsuru({ images: imagesWith((asked) => agent(asked)), ...options.tsuru });
  stack.defer(() => tsuru.close());
  const admin = createClient(tsuru.url, tsuru.adminToken);
  const brokerToken = await createBrokerToken(
    admin,
    options.hasReader ?? true,
    options.permissions ?? brokerPermissions(),
  );
  const lines: string[] = [];
  const start = async (environment: Readonly<Record<string, string>> = {}): Promise<Broker> => {
    const usual = environmentOf(tsuru.url, brokerToken);
    const config = configOf({ ...usual, BROKER_SERVICE: service, ...options.environment, ...environment });
    const started = await startBroker(config, logInto(lines), options.clock ?? systemClock, {
      reconciles: options.reconciles ?? true,
    });
    stack.defer(() => started.stop());
    return started;
  };
  const broker = await start();
  const { encoding = 'form', isMultiCluster = false } = options;
  tsuru.addService({ name: service, endpoint: broker.url, ...AUTH, encoding, isMultiCluster });
  const instance = (name: string, rest = ''): string => `/1.0/services/${service}/instances/${name}${rest}`;
  return {
    ...{ tsuru, admin, broker, brokerToken, lines, startBroker: start },
    ask: (method, path, init = {}) => askBroker(broker.url, method, path, init),
    add: (name = 'my-instance', more = {}) =>
      admin.call('POST', `/1.0/services/${service}/instances`, { form: { name, owner: 'shop', ...more } }),
    remove: (name = 'my-instance') => admin.call('DELETE', instance(name)),
    bind: (app, name = 'my-instance') =>
      admin.call('PUT', `/1.13/services/${service}/instances/${name}/apps/${app}`, { form: {} }),
    unbind: (app, name = 'my-instance') =>
      admin.call('DELETE', `/1.13/services/${service}/instances/${name}/apps/${app}`),
    update: (name, form) => admin.call('PUT', instance(name), { form: { teamOwner: 'shop', ...form } }),
    info: async (name = 'my-instance') => {
      const { body } = await expect(admin.call('GET', instance(name)), 200);
      return (JSON.parse(body) as { CustomInfo: Record<string, string> | null }).CustomInfo ?? {};
    },
    status: async (name = 'my-instance') => (await admin.call('GET', instance(name, '/status'))).body,
    createApp: (name, image = 'shop/app:1') => createApp(admin, name, image),
    say(script) {
      agent = script;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What a broker is started with, in a test. */
export function environmentOf(tsuruUrl: string, token: string): Readonly<Record<string, string>> {
  return {
    ...{ TSURU_HOST: tsuruUrl, TSURU_TOKEN: token, BROKER_IMAGE: IMAGE },
    ...{ BROKER_USERNAME: AUTH.username, BROKER_PASSWORD: AUTH.password },
    ...{ BROKER_ADDRESS: '127.0.0.1', PORT: '0', BROKER_INSTANCE_URL: 'http://{unit}' },
    PATH: process.env['PATH'] ?? '',
  };
}

function configOf(environment: Readonly<Record<string, string>>): Config {
  const result = readConfig(environment);
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result.config;
}

/** Which parts of the instance are there. */
export async function partsOf({ admin }: Pick<Stage, 'admin'>): Promise<string[]> {
  const paths = { app: `/1.0/apps/${APP}`, volume: `/1.4/volumes/${APP}`, token: `/1.7/tokens/${APP}` };
  const found = await Promise.all(
    Object.entries(paths).map(async ([name, path]) => ((await admin.call('GET', path)).status === 200 ? [name] : [])),
  );
  return found.flat();
}

/** What a token is granted: role and app, in order. */
export async function grantsOf({ admin }: Pick<Stage, 'admin'>, id = APP): Promise<string[]> {
  const { status, body } = await admin.call('GET', `/1.7/tokens/${id}`);
  if (status !== 200) return [];
  const { roles = [] } = JSON.parse(body) as { roles?: readonly { Name: string; ContextValue: string }[] };
  return roles.map(({ Name, ContextValue }) => `${Name} ${ContextValue}`).sort();
}

/** An answer of Tsuru's to compare with another: it sorts neither tags nor annotations. */
export function inAnyOrder(json: string): string {
  return json
    .split(/[{}[\],]+/)
    .sort()
    .join(' ');
}

/** The role of instances and the broker's own, and its token. */
async function createBrokerToken(admin: Client, withReader: boolean, permission: readonly string[]): Promise<string> {
  const post = (path: string, form: Record<string, string | readonly string[]>, status: number): Promise<Reply> =>
    expect(admin.call('POST', path, { form }), status);
  if (withReader) {
    await post('/1.0/roles', { name: 'prometheus-reader', context: 'app' }, 201);
    await post('/1.0/roles/prometheus-reader/permissions', { permission: 'app.read.info' }, 200);
  }
  await post('/1.0/roles', { name: 'prometheus-broker', context: 'global' }, 201);
  await post('/1.0/roles/prometheus-broker/permissions', { permission }, 200);
  const { body } = await post('/1.6/tokens', { token_id: 'prometheus-broker', team: 'ops', expires_in: '0' }, 201);
  await post('/1.6/roles/prometheus-broker/token', { token_id: 'prometheus-broker', context: '' }, 200);
  return (JSON.parse(body) as { token: string }).token;
}

export async function askBroker(
  url: string,
  method: string,
  path: string,
  { body, headers = {} }: { body?: string; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const authorization = `Basic ${Buffer.from(`${AUTH.username}:${AUTH.password}`).toString('base64')}`;
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const contentType = response.headers.get('content-type') ?? '';
  return { status: response.status, contentType, body: await response.text(), headers: response.headers };
}

function logInto(lines: string[]): Log {
  const log = createLog('silent', []);
  const write = (...args: readonly unknown[]): void => void lines.push(JSON.stringify(args));
  return Object.assign(Object.create(log) as Log, { info: write, warn: write, error: write, debug: write });
}

/** The image of instances runs the agent's stand-in; any other has an address and nothing behind it. */
function imagesWith(agent: AgentScript): Images {
  return (name) => {
    if (name.includes('missing')) return undefined;
    return { processes: { web: name.includes('prometheus') ? agentUnit(agent) : 'nothing' } };
  };
}

function agentUnit(agent: AgentScript): InProcess {
  return httpUnit(() => (request, response) => {
    const { method = '', url: path = '', headers } = request;
    void text(request).then((body) => {
      const answer = agent({ method, path, authorization: headers.authorization ?? '', body });
      if (answer === 'hang') return;
      const { status, location } = answer;
      response.writeHead(status, {
        'content-type': 'application/json',
        ...(status === 401 ? { 'www-authenticate': 'Basic realm="Prometheus", charset="UTF-8"' } : {}),
        ...(location === undefined ? {} : { location }),
      });
      response.end(answer.body);
    });
  });
}
