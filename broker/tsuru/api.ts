import { asObject, asOptionalArray, asOptionalText, parseJson, ShapeError } from '../../agent/shared/shape.ts';
import { TsuruError, type TsuruAnswer, type TsuruRequest, type TsuruWriter } from '../../agent/shared/tsuru.ts';
import { readApp, type App } from './app.ts';
import { assertNoError } from './stream.ts';
import { readInstances, type Instance } from './instance.ts';
import { readToken, type Token } from './token.ts';
import { readVolume, readVolumePlans, volumeForm, type Volume, type VolumePlans, type VolumeSpec } from './volume.ts';

/** A change of an app restarts its units, and ends when the new ones are ready. */
const ROLLOUT_LIMIT_MS = 240_000;
/** As long as a deploy may take: a large image is pulled, data are read again. */
const DEPLOY_LIMIT_MS = 1_800_000;
/** Tsuru writes to a deploy's stream at least every 30 s: what is silent for this long hangs, and the deploy is followed by its event. */
const DEPLOY_QUIET_MS = 120_000;

/** The state of a deploy. */
export interface DeployEvent {
  readonly id: string;
  readonly isRunning: boolean;
  /** '' if it succeeded, or still runs. */
  readonly error: string;
}

/** What is set of an app; the rest stays. */
export interface AppChange {
  readonly plan?: string;
  readonly teamOwner?: string;
  /** All tags that the app is to have. */
  readonly tags?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface NewApp {
  readonly name: string;
  readonly team: string;
  /** '': Tsuru's default. */
  readonly pool: string;
  readonly plan: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** The calls to Tsuru that the broker makes, each with its name in metrics and errors. */
export function createApi(tsuru: TsuruWriter, signal: AbortSignal) {
  const send = (call: string, request: TsuruRequest): Promise<TsuruAnswer> => tsuru.send(call, request, signal);
  const get = (call: string, path: string): Promise<TsuruAnswer> => tsuru.get(call, path, signal);
  const app = (name: string, rest = ''): string => `/1.0/apps/${encodeURIComponent(name)}${rest}`;
  const volume = (name: string, rest = ''): string => `/1.4/volumes/${encodeURIComponent(name)}${rest}`;

  return {
    app: async (name: string): Promise<App | undefined> =>
      unlessMissing(async () => parsed('app', await get('app', app(name)), readApp)),

    /** The team of each app that the broker may read, without asking any cluster for units. */
    async teamsOfApps(): Promise<ReadonlyMap<string, string>> {
      const answer = await get('app_teams', '/1.0/apps?simplified=true');
      return parsed(
        'app_teams',
        answer,
        (list) =>
          new Map(
            asOptionalArray(list, 'the list of apps')
              .map(readApp)
              .map(({ name, team }) => [name, team]),
          ),
      );
    },

    /** Apps whose names begin so, small letters, digits and dashes; the list does not have how often an app was deployed. */
    async apps(start: string): Promise<readonly App[]> {
      // A regular expression: Tsuru asks clusters for the units of all that it finds.
      const answer = await get('apps', `/1.0/apps?extended=true&name=${encodeURIComponent(`^${start}`)}`);
      return parsed('apps', answer, (list) => asOptionalArray(list, 'the list of apps').map(readApp));
    },

    async createApp({ name, team, pool, plan, description, tags, annotations }: NewApp): Promise<void> {
      const metadata = { annotations: itemsOf(annotations) };
      const json = {
        name,
        teamOwner: team,
        plan,
        description,
        tags,
        metadata,
        ...(pool === '' ? {} : { pool }),
      };
      await send('app_create', { method: 'POST', path: '/1.0/apps', body: { json } });
    },

    /** Without a restart, unless it is asked for; a plan is in force only after one. */
    async changeApp(
      name: string,
      { annotations, ...change }: AppChange,
      restart: 'restart' | 'no restart',
    ): Promise<void> {
      const metadata = annotations === undefined ? {} : { metadata: { annotations: itemsOf(annotations) } };
      const json = { ...change, ...metadata, ...(restart === 'restart' ? {} : { noRestart: true }) };
      const request = { method: 'PUT', path: app(name), body: { json }, timeoutMs: ROLLOUT_LIMIT_MS } as const;
      assertNoError('app_update', await send('app_update', request), tsuru.quote);
    },

    async restartApp(name: string): Promise<void> {
      const request = { method: 'POST', path: app(name, '/restart'), timeoutMs: ROLLOUT_LIMIT_MS } as const;
      assertNoError('app_restart', await send('app_restart', request), tsuru.quote);
    },

    /** Also fulfilled if there is none. */
    async removeApp(name: string): Promise<void> {
      const request = { method: 'DELETE', path: app(name), timeoutMs: ROLLOUT_LIMIT_MS } as const;
      const answer = await unlessMissing(() => send('app_remove', request));
      if (answer !== undefined) assertNoError('app_remove', answer, tsuru.quote);
    },

    /** The app's own variables; those that are not there are not in it. */
    async env(name: string, variables: readonly string[]): Promise<ReadonlyMap<string, string> | undefined> {
      const query = new URLSearchParams(variables.map((variable): [string, string] => ['env', variable]));
      return unlessMissing(async () => {
        const answer = await get('env', app(name, `/env?${query.toString()}`));
        return parsed('env', answer, (list) => new Map(asOptionalArray(list, 'the environment').map(readVariable)));
      });
    },

    /** Private, and without a restart. */
    async setEnv(name: string, variables: Readonly<Record<string, string>>, managedBy: string): Promise<void> {
      const envs = Object.entries(variables).map(([Name, Value]) => ({ Name, Value, Private: true }));
      const json = { Envs: envs, NoRestart: true, ManagedBy: managedBy };
      const request = { method: 'POST', path: app(name, '/env'), body: { json } } as const;
      assertNoError('env_set', await send('env_set', request), tsuru.quote);
    },

    /** Resolves when the deploy has ended, with whether it succeeded. `onStart` is called as soon as Tsuru has begun. */
    async deploy(name: string, image: string, message: string, onStart: () => void): Promise<boolean> {
      const { chunks } = await send('deploy', {
        method: 'POST',
        path: app(name, '/deploy'),
        body: { form: { image, origin: 'image', message } },
        ...{ timeoutMs: DEPLOY_LIMIT_MS, quietMs: DEPLOY_QUIET_MS },
        onHeaders: (status) => {
          if (status === 200) onStart();
        },
      });
      return /(^|\n)OK\s*$/.test(Buffer.concat(chunks).toString('utf8'));
    },

    async lastDeploy(name: string): Promise<DeployEvent | undefined> {
      const query = new URLSearchParams([
        ['target.type', 'app'],
        ['target.value', name],
        ['kindname', 'app.deploy'],
        ['limit', '1'],
      ]);
      const answer = await get('events', `/1.1/events?${query.toString()}`);
      return parsed('events', answer, (list) => asOptionalArray(list, 'the list of events').map(readEvent)[0]);
    },

    volume: async (name: string): Promise<Volume | undefined> =>
      unlessMissing(async () => parsed('volume', await get('volume', volume(name)), readVolume)),

    async volumes(): Promise<readonly Volume[]> {
      return parsed('volumes', await get('volumes', '/1.4/volumes'), (list) =>
        asOptionalArray(list, 'the list of volumes').map(readVolume),
      );
    },

    async volumePlans(): Promise<VolumePlans> {
      return parsed('volume_plans', await get('volume_plans', '/1.4/volumeplans'), readVolumePlans);
    },

    async createVolume(spec: VolumeSpec): Promise<void> {
      await send('volume_create', { method: 'POST', path: '/1.4/volumes', body: { form: volumeForm(spec) } });
    },

    async changeVolume(spec: VolumeSpec): Promise<void> {
      await send('volume_update', { method: 'POST', path: volume(spec.name), body: { form: volumeForm(spec) } });
    },

    async bindVolume(name: string, appName: string, mountPoint: string): Promise<void> {
      const form = { App: appName, MountPoint: mountPoint, ReadOnly: 'false', NoRestart: 'true' };
      await send('volume_bind', { method: 'POST', path: volume(name, '/bind'), body: { form } });
    },

    async unbindVolume(name: string, appName: string, mountPoint: string): Promise<void> {
      const query = new URLSearchParams({ App: appName, MountPoint: mountPoint, NoRestart: 'true' });
      const path = volume(name, `/bind?${query.toString()}`);
      await unlessMissing(() => send('volume_unbind', { method: 'DELETE', path }));
    },

    /** Also fulfilled if there is none. */
    async removeVolume(name: string): Promise<void> {
      await unlessMissing(() => send('volume_remove', { method: 'DELETE', path: volume(name) }));
    },

    token: async (id: string): Promise<Token | undefined> =>
      unlessMissing(async () => parsed('token', await get('token', `/1.7/tokens/${id}`), readToken)),

    /** The tokens of all teams; their values are never quoted. */
    async tokens(): Promise<ReadonlyMap<string, Token>> {
      return parsed('tokens', await get('tokens', '/1.6/tokens'), (list) => {
        const tokens = asOptionalArray(list, 'the list of tokens').map(readToken);
        return new Map(tokens.map((token) => [token.id, token]));
      });
    },

    async createToken(id: string, team: string, description: string): Promise<string> {
      const form = { token_id: id, team, description, expires_in: '0' };
      const answer = await send('token_create', { method: 'POST', path: '/1.6/tokens', body: { form } });
      return parsed('token_create', answer, readToken).value;
    },

    async regenerateToken(id: string): Promise<string> {
      const body = { form: { regenerate: 'true' } };
      const answer = await send('token_regenerate', { method: 'PUT', path: `/1.6/tokens/${id}`, body });
      return parsed('token_regenerate', answer, readToken).value;
    },

    /** Also fulfilled if there is none. */
    async removeToken(id: string): Promise<void> {
      await unlessMissing(() => send('token_remove', { method: 'DELETE', path: `/1.6/tokens/${id}` }));
    },

    async createRole(name: string, description: string, permission: string): Promise<void> {
      const form = { name, context: 'app', description };
      try {
        await send('role_create', { method: 'POST', path: '/1.0/roles', body: { form } });
      } catch (error) {
        if (!(error instanceof TsuruError) || error.status !== 409) throw error;
      }
      const path = `/1.0/roles/${name}/permissions`;
      await send('role_permission', { method: 'POST', path, body: { form: { permission } } });
    },

    async grant(role: string, token: string, context: string): Promise<void> {
      const body = { form: { token_id: token, context } };
      await send('role_assign', { method: 'POST', path: `/1.6/roles/${role}/token`, body });
    },

    async revoke(role: string, token: string, context: string): Promise<void> {
      const path = `/1.6/roles/${role}/token/${token}?context=${encodeURIComponent(context)}`;
      await send('role_dissociate', { method: 'DELETE', path });
    },

    /**
     * A service's instances as Tsuru knows them, by name. Does not make Tsuru call the service. What the token may not read is missing:
     * undefined when the service itself is.
     */
    async instances(service: string): Promise<ReadonlyMap<string, Instance> | undefined> {
      const answer = await get('instances', '/1.0/services/instances');
      return parsed('instances', answer, (services) => readInstances(services, service));
    },

    /** The instances of a service that an app is bound to. Does not make Tsuru call the service. */
    async instancesOfApp(service: string, app: string): Promise<readonly string[]> {
      const answer = await get('instances', `/1.0/services/instances?app=${encodeURIComponent(app)}`);
      const instances = parsed('instances', answer, (services) => readInstances(services, service));
      return [...(instances ?? [])].filter(([, { apps }]) => apps.includes(app)).map(([name]) => name);
    },

    /** Whether Tsuru says that it knows no such instance. Of one that it knows it asks the service: for those alone that are most likely gone. */
    async isInstanceGone(service: string, instance: string): Promise<boolean> {
      try {
        await get('instance', `/1.0/services/${encodeURIComponent(service)}/instances/${encodeURIComponent(instance)}`);
        return false;
      } catch (error) {
        if (error instanceof TsuruError && error.failure === 'not_found')
          return /service instance not found/i.test(error.words);
        throw error;
      }
    },
  };
}

export type Api = ReturnType<typeof createApi>;

/** Answers that hold a token or a password: nothing of them is quoted. */
const SECRET_CALLS = ['env', 'token', 'tokens', 'token_create', 'token_regenerate'];

/** Reads an answer: of a list of nothing Tsuru answers 204 and nothing more. */
function parsed<T>(call: string, { status, chunks, requestId }: TsuruAnswer, read: (value: unknown) => T): T {
  try {
    return read(status === 204 ? undefined : parseJson(chunks));
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const cause = SECRET_CALLS.includes(call) ? {} : { cause: error };
    throw new TsuruError('bad_answer', `${call}: Tsuru's answer cannot be used`, { requestId, status, ...cause });
  }
}

function readVariable(value: unknown): [name: string, value: string] {
  const variable = asObject(value, 'a variable');
  return [asOptionalText(variable['name'], 'name'), asOptionalText(variable['value'], 'value')];
}

function readEvent(value: unknown): DeployEvent {
  const { UniqueID: id, Running: running, Error: error } = asObject(value, 'an event');
  return {
    id: asOptionalText(id, 'UniqueID'),
    isRunning: running === true,
    error: asOptionalText(error, 'Error').trim(),
  };
}

/** Undefined where Tsuru says that there is no such thing. */
async function unlessMissing<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof TsuruError && error.failure === 'not_found') return undefined;
    throw error;
  }
}

function itemsOf(values: Readonly<Record<string, string>>): { name: string; value?: string; delete?: true }[] {
  return Object.entries(values).map(([name, value]) => (value === '' ? { name, delete: true } : { name, value }));
}
