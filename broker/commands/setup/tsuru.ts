import { asObject, asOptionalArray, asOptionalText, parseJson } from '../../../agent/shared/shape.ts';
import { TsuruError, type TsuruAnswer, type TsuruBody, type TsuruWriter } from '../../../agent/shared/tsuru.ts';
import type { webhookOf } from '../../tsuru/webhook.ts';

/** What an administrator may do, and the broker may not. */
export interface AdminApi {
  teams(): Promise<readonly string[]>;
  createTeam(name: string): Promise<void>;
  /** The permissions of a role; undefined if there is none. */
  role(name: string): Promise<readonly string[] | undefined>;
  createRole(name: string, context: 'global' | 'app', description: string): Promise<void>;
  permit(role: string, permissions: readonly string[]): Promise<void>;
  createApp(app: Readonly<Record<string, unknown>>): Promise<void>;
  hasService(name: string): Promise<boolean>;
  /** Makes the service, or sets endpoint, user, password and team of the one that is there. */
  putService(service: ServiceForm, isThere: boolean): Promise<void>;
  /** The webhook as Tsuru has it, in JSON; undefined if there is none. */
  webhook(name: string): Promise<unknown>;
  putWebhook(webhook: ReturnType<typeof webhookOf>, isThere: boolean): Promise<void>;
  /** The names of the service's plans, for which Tsuru asks the broker. */
  plansOf(service: string): Promise<readonly string[]>;
}

export interface ServiceForm {
  readonly id: string;
  readonly username: string;
  readonly password: string;
  readonly endpoint: string;
  readonly team: string;
}

export function createAdminApi(tsuru: TsuruWriter, signal: AbortSignal): AdminApi {
  const get = async (call: string, path: string): Promise<unknown> => valueOf(await tsuru.get(call, path, signal));
  async function send(call: string, method: 'POST' | 'PUT', path: string, body: TsuruBody): Promise<void> {
    await tsuru.send(call, { method, path, body }, signal);
  }
  async function found(work: () => Promise<unknown>): Promise<unknown> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof TsuruError && error.failure === 'not_found') return undefined;
      throw error;
    }
  }
  return {
    async teams() {
      return namesIn(await get('teams', '/1.0/teams'), 'name');
    },
    createTeam: (name) => send('team_create', 'POST', '/1.0/teams', { form: { name } }),
    async role(name) {
      const role = await found(() => get('role', `/1.0/roles/${encodeURIComponent(name)}`));
      if (role === undefined) return undefined;
      return asOptionalArray(asObject(role, 'the role')['scheme_names'], 'scheme_names').map((one) =>
        asOptionalText(one, 'a permission'),
      );
    },
    createRole: (name, context, description) =>
      send('role_create', 'POST', '/1.0/roles', { form: { name, context, description } }),
    permit: (role, permission) =>
      send('role_permission', 'POST', `/1.0/roles/${encodeURIComponent(role)}/permissions`, { json: { permission } }),
    createApp: (app) => send('app_create', 'POST', '/1.0/apps', { json: app }),
    async hasService(name) {
      return namesIn(await get('services', '/1.0/services'), 'service').includes(name);
    },
    putService: ({ id, ...service }, isThere) =>
      send(
        'service_put',
        isThere ? 'PUT' : 'POST',
        isThere ? `/1.0/services/${encodeURIComponent(id)}` : '/1.0/services',
        {
          form: { id, ...service },
        },
      ),
    webhook: (name) => found(() => get('webhook', `/1.6/events/webhooks/${encodeURIComponent(name)}`)),
    putWebhook: (webhook, isThere) =>
      send(
        'webhook_put',
        isThere ? 'PUT' : 'POST',
        isThere ? `/1.6/events/webhooks/${encodeURIComponent(webhook.name)}` : '/1.6/events/webhooks',
        { json: webhook },
      ),
    async plansOf(service) {
      return namesIn(await get('service_plans', `/1.0/services/${encodeURIComponent(service)}/plans`), 'Name');
    },
  };
}

/** Of a list of nothing Tsuru answers 204 and nothing more. */
function valueOf({ status, chunks }: TsuruAnswer): unknown {
  return status === 204 ? undefined : parseJson(chunks);
}

function namesIn(list: unknown, key: string): readonly string[] {
  return asOptionalArray(list, 'the list').map((entry) => asOptionalText(asObject(entry, 'an entry')[key], key));
}
