import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { brokerPermissions } from '../../broker/tsuru/permissions.ts';
import { webhookOf } from '../../broker/tsuru/webhook.ts';
import { createClient, type Client, type Form, type Reply } from '../tsuru/client.ts';
import type { Images } from '../tsuru/images.ts';
import type { LocalTsuru } from '../tsuru/server.ts';
import { freeAddress } from './address.ts';
import { expect } from './instance.ts';
import { startProgram, type Program } from './program.ts';
import { until } from './until.ts';

const BROKER = fileURLToPath(new URL('../../broker/main.ts', import.meta.url));
const INSTANCE = fileURLToPath(new URL('../instance/main.ts', import.meta.url));
const SERVICE = 'prometheus';
const IMAGE = 'ops/prometheus:1';
/** In the webhook, where every user of Tsuru can read it. */
const EVENTS_TOKEN = 'the-webhook-shows-it-to-all';
const AUTH = { username: 'tsuru', password: 'the-service-manifest-knows-it' } as const;

/** A deploy, a start of Prometheus, and a slow machine. */
const UP_LIMIT_MS = 120_000;

/** Images as they were, and that of the instances. `environment` is for their agents, beside what the broker sets. */
export function withInstances(images: Images, environment: Readonly<Record<string, string>> = {}): Images {
  const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return (name) =>
    name === IMAGE
      ? {
          exposes: 8888,
          healthcheck: { path: '/-/ready' },
          processes: { web: { argv: [process.execPath, INSTANCE, ...words] } },
        }
      : images(name);
}

/** The service on a local Tsuru, with a broker as a program of its own; its instances run real agents. */
export interface Service {
  readonly program: Program;
  /** What the broker runs with. */
  readonly environment: Readonly<Record<string, string>>;
  /** As `tsuru service-instance-add prometheus NAME -t TEAM` does, with parameters of the plan. */
  add(name: string, team: string, parameters?: Readonly<Record<string, string>>): Promise<void>;
  /** As `tsuru service-instance-update` does: all parameters again. */
  update(name: string, team: string, parameters: Readonly<Record<string, string>>, plan?: string): Promise<void>;
  bind(name: string, app: string): Promise<void>;
  unbind(name: string, app: string): Promise<void>;
  /** What `tsuru service-instance-info` shows of an instance's own. */
  info(name: string): Promise<Readonly<Record<string, string>>>;
  /** What `tsuru service-instance-status` says. */
  status(name: string): Promise<string>;
  remove(name: string): Promise<void>;
  /** Waits until its status says that it is up. */
  untilUp(name: string): Promise<void>;
}

export interface ServiceOptions {
  /** A file of plans; those that come with the broker without it. */
  readonly plans?: string;
  readonly onLine?: (line: string) => void;
  /** True: Tsuru sends the broker its events. */
  readonly webhook?: boolean;
}

/** Makes the service as an administrator does, and starts its broker; both end with `stack`. */
export async function startService(
  stack: AsyncDisposableStack,
  tsuru: LocalTsuru,
  { plans, onLine, webhook = false }: ServiceOptions = {},
): Promise<Service> {
  const admin = createClient(tsuru.url, tsuru.adminToken);
  const address = freeAddress();
  const url = `http://${address}:8888`;
  const environment = {
    TSURU_HOST: tsuru.url,
    TSURU_TOKEN: await createBrokerToken(admin),
    BROKER_USERNAME: AUTH.username,
    BROKER_PASSWORD: AUTH.password,
    BROKER_EVENTS_TOKEN: EVENTS_TOKEN,
    BROKER_ADDRESS: address,
    BROKER_IMAGE: IMAGE,
    BROKER_SERVICE: SERVICE,
    // There is no router here: an instance is reached at its unit.
    BROKER_INSTANCE_URL: 'http://{unit}',
    ...(plans === undefined ? {} : { BROKER_PLANS: plans }),
  };
  const program = startProgram({
    command: process.execPath,
    args: [BROKER],
    env: environment,
    ...(onLine === undefined ? {} : { onLine }),
  });
  stack.defer(async () => {
    await program.stop();
  });
  await until('the broker to be ready', async () => {
    if (program.exited) throw new Error(`the broker ended: ${program.lines.slice(-3).join(' / ')}`);
    const { statusCode, body } = await request(`${url}/readyz`);
    await body.dump();
    return statusCode === 200;
  });
  tsuru.addService({ name: SERVICE, endpoint: url, ...AUTH });
  if (webhook) {
    const json = webhookOf({ name: SERVICE, team: 'ops', brokerUrl: url, token: EVENTS_TOKEN });
    await expect(admin.call('POST', '/1.6/events/webhooks', { json }), 200);
  }

  const path = (name: string, rest = ''): string => `/1.0/services/${SERVICE}/instances/${name}${rest}`;
  const bindPath = (name: string, app: string): string => `/1.13/services/${SERVICE}/instances/${name}/apps/${app}`;
  const statusOf = async (name: string): Promise<string> =>
    (await expect(admin.call('GET', path(name, '/status')), 200)).body;
  return {
    program,
    environment,
    async add(name, team, parameters = {}) {
      const form = { name, owner: team, ...parametersOf(parameters) };
      await expect(admin.call('POST', `/1.0/services/${SERVICE}/instances`, { form }), 201);
    },
    async update(name, team, parameters, plan) {
      const form = { teamOwner: team, ...(plan === undefined ? {} : { plan }), ...parametersOf(parameters) };
      await expect(admin.call('PUT', path(name), { form }), 200);
    },
    async bind(name, app) {
      await streamed(admin.call('PUT', bindPath(name, app), { form: {} }));
    },
    async unbind(name, app) {
      await streamed(admin.call('DELETE', bindPath(name, app)));
    },
    async info(name) {
      const { body } = await expect(admin.call('GET', path(name)), 200);
      return (JSON.parse(body) as { CustomInfo: Record<string, string> | null }).CustomInfo ?? {};
    },
    status: statusOf,
    async remove(name) {
      await streamed(admin.call('DELETE', path(name)));
    },
    async untilUp(name) {
      await until('the instance to be up', async () => (await statusOf(name)).endsWith('is up'), UP_LIMIT_MS);
    },
  };
}

/** Errors after the first byte come inside the stream. */
async function streamed(reply: Promise<Reply>): Promise<void> {
  const { body } = await expect(reply, 200);
  const error = /"Error":"([^"]+)"/.exec(body)?.[1];
  if (error !== undefined) throw new Error(error);
}

function parametersOf(parameters: Readonly<Record<string, string>>): Form['form'] {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [`parameters.${name}`, value]));
}

/** The role of instances, the broker's own, and its token, as broker/README.md has an administrator make them. */
export async function createBrokerToken(admin: Client): Promise<string> {
  const post = (path: string, form: Form['form'], ...allowed: readonly number[]): Promise<Reply> =>
    expect(admin.call('POST', path, { form }), ...allowed);
  await post('/1.0/roles', { name: 'prometheus-reader', context: 'app' }, 201);
  await post('/1.0/roles/prometheus-reader/permissions', { permission: 'app.read.info' }, 200);
  await post('/1.0/roles', { name: 'prometheus-broker', context: 'global' }, 201);
  await post('/1.0/roles/prometheus-broker/permissions', { permission: brokerPermissions() }, 200);
  const { body } = await post('/1.6/tokens', { token_id: 'prometheus-broker', team: 'ops', expires_in: '0' }, 201);
  await post('/1.6/roles/prometheus-broker/token', { token_id: 'prometheus-broker', context: '' }, 200);
  return (JSON.parse(body) as { token: string }).token;
}
