import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isObject } from '../../../agent/shared/shape.ts';
import { compareText, listNames } from '../../../agent/shared/text.ts';
import type { TsuruWriter } from '../../../agent/shared/tsuru.ts';
import { addressOf, IMAGE_ANNOTATION } from '../../instances/parts/instance.ts';
import { createApi, type Api } from '../../tsuru/api.ts';
import type { App } from '../../tsuru/app.ts';
import { deployReason } from '../../tsuru/deploy-reason.ts';
import { READER, READER_DESCRIPTION, READER_PERMISSION } from '../../tsuru/grants.ts';
import { brokerPermissions } from '../../tsuru/permissions.ts';
import { webhookOf } from '../../tsuru/webhook.ts';
import { BROKER_TOKEN, type Installation } from './options.ts';
import { createAdminApi, type AdminApi } from './tsuru.ts';

/** What became of a part of the installation. */
export interface Done {
  readonly outcome: 'made' | 'changed' | 'was there';
  readonly what: string;
}

export interface Step {
  /** What is made sure of. */
  readonly what: string;
  readonly run: () => Promise<Done>;
}

/** 192 bits each. */
const SECRET_BYTES = 24;
/** A new unit takes its time to be reached through the router. */
const PLANS_PATIENCE_MS = 120_000;
const ASK_AGAIN_MS = 2_000;

/** The steps of a set-up, in their order: each finds what is there, and makes or changes what is not. */
export function stepsOf(tsuru: TsuruWriter, installation: Installation, signal: AbortSignal): readonly Step[] {
  const setup: Setup = { installation, admin: createAdminApi(tsuru, signal), api: createApi(tsuru, signal), signal };
  const { team, app, service } = installation;
  return [
    { what: `the team ${team}`, run: () => ensureTeam(setup) },
    {
      what: `the role ${READER}`,
      run: () => ensureRole(setup, READER, 'app', READER_DESCRIPTION, [READER_PERMISSION]),
    },
    {
      what: `the role ${BROKER_TOKEN}`,
      run: () =>
        ensureRole(setup, BROKER_TOKEN, 'global', 'What the broker of Prometheus instances does', brokerPermissions()),
    },
    { what: `the token ${BROKER_TOKEN}`, run: () => ensureToken(setup) },
    { what: `the app ${app}`, run: () => ensureApp(setup) },
    { what: `the deploy of ${app}`, run: () => ensureDeploy(setup) },
    { what: `the service ${service}`, run: () => ensureService(setup) },
    { what: `the webhook ${service}`, run: () => ensureWebhook(setup) },
    { what: `the plans of ${service}`, run: () => findPlans(setup) },
  ];
}

interface Setup {
  readonly installation: Installation;
  readonly admin: AdminApi;
  readonly api: Api;
  readonly signal: AbortSignal;
}

async function ensureTeam({ admin, installation: { team } }: Setup): Promise<Done> {
  const what = `the team ${team}`;
  if ((await admin.teams()).includes(team)) return { outcome: 'was there', what };
  await admin.createTeam(team);
  return { outcome: 'made', what };
}

async function ensureRole(
  { admin }: Setup,
  name: string,
  context: 'global' | 'app',
  description: string,
  permissions: readonly string[],
): Promise<Done> {
  const held = await admin.role(name);
  const missing = permissions.filter((one) => held?.some((has) => one === has || one.startsWith(`${has}.`)) !== true);
  const what = `the role ${name}`;
  if (held !== undefined && missing.length === 0) return { outcome: 'was there', what };
  if (held === undefined) await admin.createRole(name, context, description);
  await admin.permit(name, missing);
  const added = `${what} with ${listNames(missing, missing.length)}`;
  return held === undefined ? { outcome: 'made', what: added } : { outcome: 'changed', what: added };
}

async function ensureToken({ api, installation: { team } }: Setup): Promise<Done> {
  const what = `the token ${BROKER_TOKEN}`;
  const token = await api.token(BROKER_TOKEN);
  if (token === undefined) await api.createToken(BROKER_TOKEN, team, 'The broker of Prometheus instances');
  const hasRole = token?.roles.some(({ name }) => name === BROKER_TOKEN) === true;
  if (!hasRole) await api.grant(BROKER_TOKEN, BROKER_TOKEN, '');
  if (token === undefined) return { outcome: 'made', what };
  return hasRole ? { outcome: 'was there', what } : { outcome: 'changed', what: `${what} with its role` };
}

/** The app and its variables: secrets that are there stay. */
async function ensureApp({ admin, api, installation }: Setup): Promise<Done> {
  const { app, team, pool, plan, variables } = installation;
  const isThere = (await api.app(app)) !== undefined;
  if (!isThere) {
    await admin.createApp({
      ...{ name: app, teamOwner: team, description: 'Makes Prometheus instances', tags: [] },
      ...(pool === '' ? {} : { pool }),
      ...(plan === '' ? {} : { plan }),
    });
  }
  const token = await api.token(BROKER_TOKEN);
  if (token === undefined || token.value === '') {
    throw new Error(`Tsuru does not show the token ${BROKER_TOKEN}: run the setup with an administrator's token`);
  }
  const present = await secretsOf(api, app, Object.keys(variables));
  const wanted = {
    ...variables,
    TSURU_TOKEN: token.value,
    BROKER_PASSWORD: present.get('BROKER_PASSWORD') ?? randomSecret(),
    BROKER_EVENTS_TOKEN: present.get('BROKER_EVENTS_TOKEN') ?? randomSecret(),
  };
  const changed = Object.entries(wanted).filter(([name, value]) => present.get(name) !== value);
  const what = `the app ${app}`;
  if (changed.length === 0) return { outcome: 'was there', what };
  // What it ran with is no longer what it would start with: the deploy follows.
  if (isThere) await api.changeApp(app, { annotations: { [IMAGE_ANNOTATION]: '' } }, 'no restart');
  // An administrator may change them by "tsuru env-set".
  await api.setEnv(app, Object.fromEntries(changed), '');
  const names = changed.map(([name]) => name);
  return { outcome: isThere ? 'changed' : 'made', what: `${what} with ${listNames(names, names.length)}` };
}

async function ensureDeploy({ api, installation }: Setup): Promise<Done> {
  const { app: name, brokerImage } = installation;
  const app = await presentApp(api, name);
  const what = `the deploy of ${brokerImage}`;
  if (app.deploys > 0 && app.annotations.get(IMAGE_ANNOTATION) === brokerImage) return { outcome: 'was there', what };
  const hasSucceeded = await api.deploy(name, brokerImage, 'by broker setup', () => undefined);
  if (!hasSucceeded) {
    const reason = deployReason((await api.lastDeploy(name))?.error ?? '');
    throw new Error(`${reason}; see "tsuru app-log -a ${name}"`);
  }
  await api.changeApp(name, { annotations: { [IMAGE_ANNOTATION]: brokerImage } }, 'no restart');
  return { outcome: app.deploys > 0 ? 'changed' : 'made', what };
}

async function ensureService({ admin, api, installation }: Setup): Promise<Done> {
  const { app, service, team, username } = installation;
  const endpoint = endpointOf(installation, await presentApp(api, app));
  const password = (await secretsOf(api, app)).get('BROKER_PASSWORD');
  if (password === undefined) throw new Error(`the app ${app} has no BROKER_PASSWORD: run the setup again`);
  const isThere = await admin.hasService(service);
  // Tsuru does not show what it has, so it is always set.
  await admin.putService({ id: service, username, password, endpoint, team }, isThere);
  return { outcome: isThere ? 'was there' : 'made', what: `the service ${service} at ${endpoint}` };
}

async function ensureWebhook({ admin, api, installation }: Setup): Promise<Done> {
  const { app, service, team } = installation;
  const endpoint = endpointOf(installation, await presentApp(api, app));
  const token = (await secretsOf(api, app)).get('BROKER_EVENTS_TOKEN');
  if (token === undefined) throw new Error(`the app ${app} has no BROKER_EVENTS_TOKEN: run the setup again`);
  const wanted = webhookOf({ name: service, team, brokerUrl: endpoint, token });
  const present = await admin.webhook(service);
  const what = `the webhook ${service}`;
  if (present !== undefined && contains(present, wanted)) return { outcome: 'was there', what };
  await admin.putWebhook(wanted, present !== undefined);
  return { outcome: present === undefined ? 'made' : 'changed', what };
}

/** Asks Tsuru for the plans, which asks the broker: so both reach each other, and the password is right. */
async function findPlans({ admin, installation: { service, app }, signal }: Setup): Promise<Done> {
  const untilMs = performance.now() + PLANS_PATIENCE_MS;
  for (;;) {
    try {
      const plans = (await admin.plansOf(service)).toSorted(compareText);
      if (plans.length > 0)
        return { outcome: 'was there', what: `the plans ${plans.join(', ')}, as Tsuru has them from the broker` };
      throw new Error('Tsuru gets no plan from the broker');
    } catch (error) {
      if (performance.now() > untilMs) {
        const remedy = `see "tsuru app-log -a ${app}", and give --endpoint if Tsuru reaches the broker elsewhere`;
        throw new Error(`Tsuru does not get them from the broker (${remedy})`, { cause: error });
      }
      await sleep(ASK_AGAIN_MS, undefined, { signal });
    }
  }
}

async function presentApp(api: Api, name: string): Promise<App> {
  const app = await api.app(name);
  if (app === undefined) throw new Error(`the app ${name} is gone: run the setup again`);
  return app;
}

async function secretsOf(api: Api, app: string, more: readonly string[] = []): Promise<ReadonlyMap<string, string>> {
  const names = ['TSURU_TOKEN', 'BROKER_PASSWORD', 'BROKER_EVENTS_TOKEN', ...more];
  return (await api.env(app, names)) ?? new Map<string, string>();
}

function endpointOf({ endpoint, app }: Installation, present: App): string {
  const url = addressOf(endpoint, present);
  if (url !== '' || !endpoint.includes('{')) return url || endpoint;
  throw new Error(`the app ${app} has no address yet: give --endpoint, where Tsuru reaches the broker`);
}

function randomSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

/** Whether all that is wanted is there as it is wanted; Tsuru has more keys. */
function contains(present: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return Array.isArray(present) && present.length === wanted.length && wanted.every((one) => present.includes(one));
  }
  if (!isObject(wanted)) return present === wanted;
  return isObject(present) && Object.entries(wanted).every(([key, value]) => contains(present[key], value));
}
