// What there must be of each instance that Tsuru knows, and what must not be there, by rules of its own.
import { viewPrometheus } from '../../support/prometheus.ts';
import { expect } from '../../support/instance.ts';
import type { Client } from '../../tsuru/client.ts';
import { partOf, SERVICE, type ServiceStage } from './stage.ts';
import { listInstances, type ListedInstance } from './steps.ts';

const READER = 'prometheus-reader';
const MARK = 'prometheus-instance=';

interface App {
  readonly name: string;
  readonly teamowner: string;
  readonly tags: readonly string[] | null;
  readonly units: readonly { readonly Name: string; readonly Ready: boolean }[] | null;
  readonly metadata: { readonly annotations: readonly { readonly name: string; readonly value: string }[] | null };
}

interface Token {
  readonly token_id: string;
  readonly token: string;
  readonly description: string;
  readonly roles?: readonly { readonly Name: string; readonly ContextValue: string }[];
}

interface Volume {
  readonly Name: string;
  readonly Opts: Readonly<Record<string, string>> | null;
  readonly Binds: readonly { readonly ID: { readonly App: string; readonly MountPoint: string } }[] | null;
}

interface World {
  readonly instances: readonly ListedInstance[];
  readonly apps: ReadonlyMap<string, App>;
  readonly tokens: ReadonlyMap<string, Token>;
  readonly volumes: ReadonlyMap<string, Volume>;
}

/** All that is not as it must be, a line each. No fault may be there. */
export async function differences(stage: ServiceStage, usualRetention: string): Promise<readonly string[]> {
  const { admin } = stage;
  const world: World = {
    instances: await listInstances(stage),
    apps: byName(await read<App>(admin, '/1.0/apps?extended=true'), ({ name }) => name),
    tokens: byName(await read<Token>(admin, '/1.6/tokens'), ({ token_id }) => token_id),
    volumes: byName(await read<Volume>(admin, '/1.4/volumes'), ({ Name }) => Name),
  };
  const found = [
    ...world.instances.flatMap((instance) => lacking(stage, world, instance, usualRetention)),
    ...leftovers(world),
  ];
  if (found.length > 0) return found;
  for (const instance of world.instances) found.push(...(await wrongVariables(stage, world, instance)));
  for (const name of stage.real) found.push(...(await wrongTargets(stage, world, name)));
  return found;
}

function lacking(
  { known }: ServiceStage,
  { apps, tokens, volumes }: World,
  { name, apps: bound, team_owner: team }: ListedInstance,
  usualRetention: string,
): readonly string[] {
  const part = partOf(name);
  const [app, token, volume] = [apps.get(part), tokens.get(part), volumes.get(part)];
  if (app === undefined) return [`${name}: no app`];
  const annotations = new Map((app.metadata.annotations ?? []).map((item) => [item.name, item.value]));
  const annotation = (key: string): string => annotations.get(`prometheus-service/${key}`) ?? '';
  const granted = (token?.roles ?? []).map((role) => `${role.Name} ${role.ContextValue}`).sort();
  const wanted = [part, ...bound].map((one) => `${READER} ${one}`).sort();
  const teams = Object.fromEntries([...bound].sort().map((one) => [one, apps.get(one)?.teamowner]));
  const retention = retentionOf(annotation('settings'));
  const retentions = [...(known.get(name)?.retentions ?? [''])].map((value) => (value === '' ? usualRetention : value));
  const mark = `${MARK}${SERVICE}/${name}`;
  const volumeBinds = (volume?.Binds ?? []).map(({ ID }) => `${ID.App} ${ID.MountPoint}`);
  const checks: readonly (readonly [boolean, string])[] = [
    [app.teamowner === team, `its app is of ${app.teamowner}`],
    [[mark, `${MARK}${part}`].every((tag) => app.tags?.includes(tag)), `tags ${String(app.tags)}`],
    [annotation('instance') === mark, `owner annotation "${annotation('instance')}"`],
    [annotation('plan') === 'small', `plan annotation "${annotation('plan')}"`],
    [retentions.includes(retention), `retention ${retention}, not ${retentions.join(' or ')}`],
    [sameBinds(annotation('binds'), teams), `binds ${annotation('binds')}, not ${JSON.stringify(teams)}`],
    [(app.units ?? []).filter(({ Ready }) => Ready).length === 1, `${app.units?.length ?? 0} units`],
    [volumeBinds.join() === `${part} /prometheus`, `volume bound to ${volumeBinds.join() || 'nothing'}`],
    [volume?.Opts?.['prometheus-instance'] === `${SERVICE}/${name}`, 'its volume is not marked'],
    [token?.description.endsWith(`(${mark})`) === true, `token ${token?.description ?? 'missing'}`],
    [granted.join() === wanted.join(), `grants ${granted.join(', ')}, not ${wanted.join(', ')}`],
  ];
  return checks.filter(([holds]) => !holds).map(([, words]) => `${name}: ${words}`);
}

function retentionOf(settings: string): string {
  try {
    return String((JSON.parse(settings) as { retention?: string }).retention);
  } catch {
    return `in "${settings}"`;
  }
}

function sameBinds(text: string, teams: Readonly<Record<string, string | undefined>>): boolean {
  return (text === '' ? '{}' : text) === JSON.stringify(teams);
}

/** Parts that say they are of an instance which Tsuru does not know. */
function leftovers({ instances, apps, tokens, volumes }: World): readonly string[] {
  const parts = new Set(instances.map(({ name }) => partOf(name)));
  const begins = `${MARK}${SERVICE}/`;
  const marked = [
    ...[...apps.values()].filter(({ tags, metadata }) => {
      const isTagged = (tags ?? []).some((tag) => tag.startsWith(begins));
      return isTagged && (metadata.annotations ?? []).some(({ value }) => value.startsWith(begins));
    }),
    ...[...tokens.values()].filter(({ description }) => description.includes(begins)),
    ...[...volumes.values()].filter(({ Opts }) => Opts?.['prometheus-instance']?.startsWith(`${SERVICE}/`) === true),
  ];
  return marked
    .map((part) =>
      'name' in part ? `app ${part.name}` : 'Name' in part ? `volume ${part.Name}` : `token ${part.token_id}`,
    )
    .filter((words) => !parts.has(words.split(' ')[1] ?? ''))
    .map((words) => `leftover ${words}`);
}

async function wrongVariables(
  { admin }: ServiceStage,
  { tokens }: World,
  { name }: ListedInstance,
): Promise<readonly string[]> {
  const part = partOf(name);
  const list = await read<{ readonly name: string; readonly value: string }>(admin, `/1.0/apps/${part}/env`);
  const env = new Map(list.map((variable) => [variable.name, variable.value]));
  return [
    ...(env.get('TSURU_TOKEN') === tokens.get(part)?.token ? [] : [`${name}: another token than Tsuru's`]),
    ...['GATEWAY_USERNAME', 'GATEWAY_PASSWORD'].filter((key) => !env.has(key)).map((key) => `${name}: no ${key}`),
  ];
}

/** A real Prometheus scrapes every unit of the bound apps, and nothing else. */
async function wrongTargets(stage: ServiceStage, { instances, apps }: World, name: string): Promise<readonly string[]> {
  const instance = instances.find((listed) => listed.name === name);
  if (instance === undefined) return [];
  const path = `/1.0/services/${SERVICE}/instances/${name}`;
  const { body } = await expect(stage.admin.call('GET', path), 200);
  const info = (JSON.parse(body) as { CustomInfo: Record<string, string> | null }).CustomInfo ?? {};
  const [user = '', password = ''] = (info['User and Password'] ?? '').split(' / ');
  const wanted = instance.apps.flatMap((app) => (apps.get(app)?.units ?? []).map((unit) => unit.Name)).sort();
  try {
    const prometheus = viewPrometheus(info['Address'] ?? '', { user, password });
    const seen = (await prometheus.targets()).map((target) => target.instance).sort();
    return seen.join() === wanted.join() ? [] : [`${name}: scrapes ${seen.join()}, not ${wanted.join()}`];
  } catch (error) {
    return [`${name}: its Prometheus does not tell its targets: ${String(error)}`];
  }
}

async function read<T>(admin: Client, path: string): Promise<readonly T[]> {
  const { status, body } = await expect(admin.call('GET', path), 200, 204);
  return status === 204 ? [] : ((JSON.parse(body) as readonly T[] | null) ?? []);
}

function byName<T>(list: readonly T[], nameOf: (item: T) => string): ReadonlyMap<string, T> {
  return new Map(list.map((item) => [nameOf(item), item]));
}
