// What the real client asks for when somebody types a command about services, and what it shows of the answers.
import type { Client, Form, Reply } from './client.ts';
import type { ServiceOptions } from './services.ts';

/** One request of a command, with its answer. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly reply: Reply;
}

export interface Words {
  /** 'service-instance-add' and 'service instance add' are the same. */
  readonly name: string;
  readonly args: readonly string[];
  readonly options: ReadonlyMap<string, readonly string[]>;
}

interface Info {
  readonly Apps: readonly string[];
  readonly Teams: readonly string[];
  readonly TeamOwner: string;
  readonly Description: string;
  readonly PlanName: string;
  readonly PlanDescription: string;
  readonly CustomInfo: Readonly<Record<string, string>> | null;
  readonly Tags: readonly string[];
  readonly Parameters: Readonly<Record<string, string>>;
}

export type Ask = (method: string, path: string, form?: Form['form']) => Promise<Reply>;

const COMMANDS = [
  ...['service instance add', 'service instance bind', 'service instance info', 'service instance remove'],
  ...['service instance unbind', 'service instance update', 'service create', 'service destroy', 'service info'],
  ...['service list', 'service plan list', 'job create', 'app remove'],
];

/** Runs a command; `manifest` is what its file says. Ends with the first answer that is an error, as the client does. */
export async function runCommand(client: Client, command: string, manifest: ServiceOptions): Promise<Asked[]> {
  const asked: Asked[] = [];
  const ask: Ask = async (method, path, form) => {
    const reply = await client.call(method, path, form === undefined ? undefined : { form });
    asked.push({ method, path, reply });
    if (reply.status >= 400) throw new Refused();
    return reply;
  };
  await requests(ask, wordsOf(command), manifest).catch((error: unknown) => {
    if (!(error instanceof Refused)) throw error;
  });
  return asked;
}

export class Refused extends Error {}

export async function requests(ask: Ask, { name, args, options }: Words, manifest: ServiceOptions): Promise<void> {
  const [service = '', instance = '', plan = ''] = args;
  const option = (...names: readonly string[]): string => names.flatMap((one) => options.get(one) ?? [])[0] ?? '';
  const path = `/1.0/services/${service}/instances/${instance}`;
  const newPath = `/1.13/services/${service}/instances/${instance}`;
  const parameters = Object.fromEntries(
    (options.get('--plan-param') ?? []).map((pair) => [pair.split('=')[0] ?? '', pair.split('=').slice(1).join('=')]),
  );
  switch (name) {
    case 'service create': {
      const { endpoint, username, password, team = 'ops' } = manifest;
      const form = { id: manifest.name, endpoint, username, password, team, 'multi-cluster': 'false' };
      await ask('POST', '/1.0/services', form);
      return;
    }
    case 'service destroy':
      await ask('DELETE', `/1.0/services/${service}`);
      return;
    case 'service list':
      await ask('GET', '/1.0/services/instances');
      return;
    case 'service plan list':
      await ask('GET', `/1.0/services/${service}/plans?pool=`);
      return;
    case 'service info':
      for (const rest of ['', '/plans?pool=', '/doc']) await ask('GET', `/1.0/services/${service}${rest}`);
      return;
    case 'service instance add':
      await ask('POST', `/1.0/services/${service}/instances`, {
        ...{ name: instance, plan, owner: option('-t'), description: option('--description'), pool: '' },
        ...{ tag: options.get('--tag') ?? [], ...parameterFields(parameters) },
      });
      return;
    case 'service instance info':
      await ask('GET', path);
      await ask('GET', `${path}/status`);
      return;
    case 'service instance update': {
      // The client sends the whole new state: what is not said is as it was.
      const info = infoOf(await ask('GET', path));
      const kept = { ...info.Parameters, ...parameters };
      for (const name of options.get('--remove-param') ?? []) Reflect.deleteProperty(kept, name);
      await ask('PUT', path, {
        ...{ description: option('-d') || info.Description, teamowner: info.TeamOwner },
        ...{ plan: option('-p') || info.PlanName, tag: info.Tags },
        ...parameterFields(kept),
      });
      return;
    }
    case 'service instance bind':
      if (options.has('--job')) await ask('PUT', `${newPath}/jobs/${option('--job')}`, {});
      else await ask('PUT', `${newPath}/apps/${option('-a')}`, { noRestart: 'false' });
      return;
    case 'service instance unbind':
      await ask('DELETE', `${newPath}/apps/${option('-a')}?noRestart=false&force=false`);
      return;
    case 'service instance remove':
      await ask('DELETE', `${path}?ignoreerrors=false&unbindall=false`);
      return;
    case 'job create':
      await ask('POST', '/1.13/jobs', { name: service, teamOwner: option('-t'), pool: option('-o') });
      return;
    case 'app remove':
      await ask('DELETE', `/1.0/apps/${option('-a')}`);
      return;
    default:
      throw new Error(`no such command: ${name}`);
  }
}

/** What the user sees of an error. */
export function shownError({ method, path, reply }: Asked, url: string): string {
  const verb = method.slice(0, 1) + method.slice(1).toLowerCase();
  return `Error: ${verb} "${url}${path}": ${reply.body}\n`;
}

/** What the user sees of an instance, line by line, with single blanks. */
export function shownInfo(service: string, instance: string, info: Reply, status: Reply): string[] {
  const { Apps, Teams, TeamOwner, Description, PlanName, PlanDescription, CustomInfo, Tags, Parameters } = infoOf(info);
  const teams = Teams.map((team) => (team === TeamOwner ? `${team} (owner)` : team));
  const rows: readonly (readonly [label: string, value: string])[] = [
    ...([
      ['Service', service],
      ['Instance', instance],
      ['Apps', Apps.join(', ')],
      ['Teams', teams.join(', ')],
    ] as const),
    ...([
      ['Description', Description],
      ['Tags', Tags.toSorted().join(', ')],
      ['Plan', PlanName],
    ] as const),
    ...Object.entries(CustomInfo ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
    ['Status', status.body],
  ];
  const parameters = Object.entries(Parameters).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...rows.filter(([, value]) => value !== '').map(([label, value]) => `${label}: ${value}`),
    ...(parameters.length === 0 ? [] : ['Parameters:', ...parameters.map(([name, value]) => ` ${name}: ${value}`)]),
    ...(PlanDescription === '' ? [] : ['Plan description:', ` ${PlanDescription}`]),
  ];
}

function infoOf({ body }: Reply): Info {
  return JSON.parse(body) as Info;
}

function parameterFields(parameters: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [`parameters.${name.replaceAll('.', '\\.')}`, value]),
  );
}

/** In the recording nothing is quoted: a value goes on until the next option. */
function wordsOf(command: string): Words {
  const typed = command.replace(/^tsuru /, '');
  const spaced = typed.replace(/^\S+/, (word) => word.replaceAll('-', ' '));
  const name = COMMANDS.find((candidate) => spaced.startsWith(`${candidate} `) || spaced === candidate) ?? spaced;
  const [args = '', ...rest] = spaced.slice(name.length).split(/ (?=--?[a-z])/);
  const options = new Map<string, string[]>();
  for (const part of rest) {
    const [option = '', ...value] = part.split(' ');
    options.set(option, [...(options.get(option) ?? []), value.join(' ')]);
  }
  return { name, args: args.split(' ').filter((word) => word !== ''), options };
}
