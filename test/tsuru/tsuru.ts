// A stand-in for the tsuru client, for commands that documents show: `node test/tsuru/tsuru.ts COMMAND`. It sends what the real one was
// recorded to send where there is a recording (cli-commands.ts), and what Tsuru's sources take elsewhere. It prints little: the token that
// was made, a list, or the error.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { createClient, type Form, type Reply } from './client.ts';
import { Refused, requests, type Ask, type Words } from './cli-commands.ts';

const client = createClient(process.env['TSURU_TARGET'] ?? '', process.env['TSURU_TOKEN'] ?? '');
/** Options that take no value. */
const FLAGS = ['--private', '--no-restart'];

const ask: Ask = async (method, path, form) =>
  refusedOr(await client.call(method, path, form === undefined ? undefined : { form }));

function refusedOr(reply: Reply): Reply {
  const inStream = /"Error":"([^"]+)"/.exec(reply.body)?.[1];
  if (reply.status < 400 && inStream === undefined) return reply;
  process.stderr.write(`Error: ${inStream ?? reply.body}\n`);
  throw new Refused();
}

async function sendJson(method: string, path: string, json: unknown): Promise<void> {
  refusedOr(await client.call(method, path, { json }));
}

/** `service-instance-add` and `service instance add` are the same. */
function wordsOf(typed: readonly string[]): Words {
  const options = new Map<string, string[]>();
  const args: string[] = [];
  // Of env-set it is the short form of --private.
  const flags = typed[0] === 'env-set' ? [...FLAGS, '-p'] : FLAGS;
  for (let index = 0; index < typed.length; index++) {
    const word = typed[index] ?? '';
    if (!word.startsWith('-')) args.push(word);
    else options.set(word, [...(options.get(word) ?? []), flags.includes(word) ? '' : (typed[++index] ?? '')]);
  }
  const [command = '', ...rest] = args;
  // The commands of two words whose documents are written so: what follows is the second word.
  if (command === 'metadata' || command === 'token')
    return { name: `${command} ${rest[0] ?? ''}`, args: rest, options };
  return { name: command.replaceAll('-', ' '), args: rest, options };
}

async function run(words: Words): Promise<void> {
  const { name, args, options } = words;
  const [first = '', ...others] = args;
  const option = (flag: string): string => options.get(flag)?.[0] ?? '';
  switch (name) {
    case 'token show':
      process.stdout.write(`${process.env['TSURU_TOKEN'] ?? ''}\n`);
      return;
    case 'team create':
      await ask('POST', '/1.0/teams', { name: first });
      return;
    case 'role add':
      await ask('POST', '/1.0/roles', { name: first, context: others[0] ?? '' });
      return;
    case 'role permission add':
      await ask('POST', `/1.0/roles/${first}/permissions`, { permission: others });
      return;
    case 'token create': {
      const form: Form['form'] = { token_id: option('--id'), team: option('--team'), expires_in: '0' };
      const { body } = await ask('POST', '/1.6/tokens', form);
      process.stdout.write(`${(JSON.parse(body) as { token: string }).token}\n`);
      return;
    }
    case 'role assign':
      await ask('POST', `/1.6/roles/${first}/token`, { token_id: others[0] ?? '', context: others[1] ?? '' });
      return;
    case 'app create':
      await sendJson('POST', '/1.0/apps', { name: first, teamOwner: option('-t'), tags: [] });
      return;
    case 'env set': {
      const Envs = args.map((pair) => ({
        Name: pair.split('=')[0],
        Value: pair.split('=').slice(1).join('='),
        Private: options.has('--private') || options.has('-p'),
      }));
      await sendJson('POST', `/1.0/apps/${option('-a')}/env`, { Envs, NoRestart: options.has('--no-restart') });
      return;
    }
    case 'metadata set': {
      const [kind, pairs] = [option('-t'), args.slice(1)];
      const items = pairs.map((pair) => ({ name: pair.split('=')[0], value: pair.split('=').slice(1).join('=') }));
      const metadata = { [`${kind}s`]: items };
      const process = option('-p');
      await sendJson('PUT', `/1.0/apps/${option('-a')}`, {
        ...(process === '' ? { metadata } : { processes: [{ name: process, metadata }] }),
        noRestart: options.has('--no-restart'),
      });
      return;
    }
    case 'app deploy': {
      const { body } = await ask('POST', `/1.0/apps/${option('-a')}/deploy`, { image: option('-i'), origin: 'image' });
      if (!/OK\s*$/.test(body)) throw new Error(body);
      return;
    }
    // Not a command of the client: what "tsuru app-info" shows of the app's unit.
    case 'unit address': {
      const { body } = await ask('GET', `/1.0/apps/${first}`);
      const [unit] = (JSON.parse(body) as { units: { InternalIP: string }[] }).units;
      process.stdout.write(`${unit?.InternalIP ?? ''}:8888\n`);
      return;
    }
    case 'app log':
      process.stdout.write((await ask('GET', `/1.0/apps/${option('-a')}/log?lines=10`)).body);
      return;
    case 'app run': {
      const { body } = await ask('GET', `/1.0/apps/${option('-a')}/env`);
      const variables = JSON.parse(body) as { name: string; value: string }[];
      const env = Object.fromEntries(variables.map(({ name: variable, value }): [string, string] => [variable, value]));
      const own = { PATH: process.env['PATH'], TSURU_HOST: process.env['TSURU_TARGET'], TSURU_APPNAME: option('-a') };
      process.exitCode =
        spawnSync('sh', ['-c', args.join(' ')], { env: { ...own, ...env }, stdio: 'inherit' }).status ?? 1;
      return;
    }
    case 'service create': {
      const manifest = load(readFileSync(first, 'utf8')) as { id: string; endpoint: { production: string } } & Record<
        string,
        string
      >;
      const { id, username = '', password = '', team = '' } = manifest;
      await ask('POST', '/1.0/services', { id, username, password, team, endpoint: manifest.endpoint.production });
      return;
    }
    case 'event webhook create': {
      const headers = Object.fromEntries(
        (options.get('-H') ?? []).map((pair): [string, string[]] => [
          pair.split('=')[0] ?? '',
          [pair.split('=').slice(1).join('=')],
        ]),
      );
      const filter = { target_types: options.get('--target-type') ?? [], kind_names: options.get('--kind-name') ?? [] };
      const hook = {
        name: first,
        url: others[0],
        team_owner: option('-t'),
        body: option('-b'),
        headers,
        event_filter: filter,
      };
      await sendJson('POST', '/1.6/events/webhooks', hook);
      return;
    }
    default:
      await requests(ask, words, { name: '', endpoint: '', username: '', password: '' });
  }
}

try {
  await run(wordsOf(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof Refused)) process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
