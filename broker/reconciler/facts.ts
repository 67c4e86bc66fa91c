import pMap from 'p-map';
import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { isOwnToken } from '../instances/parts/token.ts';
import { hasOwnToken, OWN_VARIABLES, ownerOfApp } from '../instances/parts/instance.ts';
import { ownerOfVolume } from '../instances/parts/volume.ts';
import { commonStart, namesOf, ownerOf } from '../names.ts';
import { createApi } from '../tsuru/api.ts';
import type { App } from '../tsuru/app.ts';
import type { Instance } from '../tsuru/instance.ts';
import type { Token } from '../tsuru/token.ts';
import type { Volume } from '../tsuru/volume.ts';

/** The reads that grants depend on: Tsuru may wait 10 s for a cluster. */
const GRANTS_LIMIT_MS = 40_000;
/** The other reads together: what does not come in time is unknown. */
const REST_LIMIT_MS = 15_000;
/** Each instance's variables take a request of their own: this many at once. */
const REQUESTS_AT_ONCE = 4;

/** What Tsuru says of a service's instances and of the parts that carry their names. */
export interface RoundFacts {
  /** The instances that Tsuru knows; undefined when its list lacks the service, which says nothing about them. */
  readonly instances: ReadonlyMap<string, Instance> | undefined;
  /** Everything that is marked as a part of an instance of this service, by the instance's name. */
  readonly parts: ReadonlyMap<string, Parts>;
  /** The team of each app on the platform that is known, read before the instances. */
  readonly teams: ReadonlyMap<string, string>;
  /** What could not be read, and so changes nothing. */
  readonly troubles: readonly string[];
}

/** An instance's parts; undefined if there is none. */
export interface Parts {
  /** Also one that lost both of its marks, and has the instance's token. */
  readonly app: App | undefined;
  readonly token: Token | undefined;
  readonly volume: Volume | undefined | 'unknown';
  /** The variables that the instance needs; undefined when they are not known. */
  readonly variables: ReadonlyMap<string, string> | undefined;
}

/**
 * Reads everything, in an order that matters. Apps come before binds: an app that another team has created since is then not taken for the one
 * that was bound. Grants come before binds: Tsuru lists a bind before it calls the broker, so a grant without a bind is one too many.
 * @throws when apps, grants or binds cannot be read. What fails of the rest is unknown.
 */
export async function gatherRound({ tsuru, service }: Context, stopping: AbortSignal): Promise<RoundFacts> {
  const troubles: string[] = [];
  const api = createApi(tsuru, AbortSignal.any([stopping, AbortSignal.timeout(GRANTS_LIMIT_MS)]));
  async function unlessFailed<T>(what: string, read: Promise<T>, unknown: T): Promise<T> {
    try {
      return await read;
    } catch (error) {
      stopping.throwIfAborted();
      troubles.push(`${what} could not be read: ${errorText(error)}`);
      return unknown;
    }
  }
  const [teams, apps] = await Promise.all([
    unlessFailed('the teams of apps', api.teamsOfApps(), new Map<string, string>()),
    api.apps(commonStart(service)),
  ]);
  const tokens = await api.tokens();
  const instances = await api.instances(service);
  const restApi = createApi(tsuru, AbortSignal.any([stopping, AbortSignal.timeout(REST_LIMIT_MS)]));
  const volumes = await unlessFailed('the volumes', restApi.volumes(), undefined);
  const found = new Map<string, { app?: App; token?: Token; volume?: Volume }>();
  const add = (instance: string | undefined, part: { app?: App; token?: Token; volume?: Volume }): void => {
    if (instance !== undefined) found.set(instance, { ...found.get(instance), ...part });
  };
  // Any team may tag its app so, but cannot also give it this name.
  const instanceOf = (id: ReturnType<typeof ownerOf>, name: string): string | undefined =>
    id?.service === service && namesOf(id).part === name ? id.instance : undefined;
  for (const app of apps) add(instanceOf(ownerOfApp(app), app.name), { app });
  for (const volume of volumes ?? []) add(instanceOf(ownerOfVolume(volume), volume.name), { volume });
  for (const token of tokens.values()) {
    const id = ownerOf([/\(([^()]+)\)$/.exec(token.description)?.[1] ?? '']);
    if (id !== undefined && isOwnToken({ names: namesOf(id) }, token)) add(instanceOf(id, token.id), { token });
  }
  const byName = new Map(apps.map((app) => [app.name, app]));
  const hasApp = (instance: string): boolean => byName.has(namesOf({ service, instance }).part);
  const variables = new Map(
    await pMap(
      [...found.keys()].filter(hasApp),
      async (instance) => {
        const { part } = namesOf({ service, instance });
        const read = restApi.env(part, OWN_VARIABLES);
        return [instance, await unlessFailed(`the variables of ${part}`, read, undefined)] as const;
      },
      { concurrency: REQUESTS_AT_ONCE },
    ),
  );
  for (const [instance, { app, token }] of found) {
    const unmarked = app === undefined ? byName.get(namesOf({ service, instance }).part) : undefined;
    if (unmarked !== undefined && hasOwnToken(variables.get(instance), token)) add(instance, { app: unmarked });
  }
  const parts = [...found].map(([instance, { app, token, volume }]): [string, Parts] => [
    instance,
    { app, token, volume: volumes === undefined ? 'unknown' : volume, variables: variables.get(instance) },
  ]);
  return { teams, parts: new Map(parts), instances, troubles };
}
