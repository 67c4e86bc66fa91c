import { readFileSync } from 'node:fs';
import type { Environment } from '../../../agent/shared/environment.ts';
import { errorText } from '../../../agent/shared/text.ts';
import { readConfig } from '../../config.ts';
import { UsageError, valueOf, type CommandOption, type Given } from '../command.ts';

/** What an installation consists of. */
export interface Installation {
  readonly team: string;
  /** The broker's own app. */
  readonly app: string;
  /** Of the app; '': Tsuru's defaults. */
  readonly pool: string;
  readonly plan: string;
  readonly brokerImage: string;
  /** Where Tsuru reaches the broker: `{address}` is the address of its app's router, `{unit}` host and port of its unit. */
  readonly endpoint: string;
  readonly service: string;
  readonly username: string;
  /** The broker's variables, but for tokens and the password. */
  readonly variables: Readonly<Record<string, string>>;
}

/** The token, and the role, that the broker has. */
export const BROKER_TOKEN = 'prometheus-broker';

export const SETUP_OPTIONS: readonly CommandOption[] = [
  {
    name: 'team',
    value: 'TEAM',
    meaning: 'the team that owns the service, its app and its token (required); made if there is none',
  },
  { name: 'broker-image', value: 'IMAGE', meaning: 'the image of the broker (required)' },
  { name: 'image', value: 'IMAGE', meaning: 'the image of the instances (required)' },
  { name: 'plans', value: 'FILE', meaning: "the service's plans (broker/plans.yaml of this version)" },
  { name: 'app', value: 'NAME', meaning: "the broker's app (prometheus-broker)" },
  { name: 'service', value: 'NAME', meaning: "the service's name (prometheus)" },
  { name: 'pool', value: 'POOL', meaning: "the pool of the broker's app (Tsuru's default)" },
  { name: 'plan', value: 'PLAN', meaning: "Tsuru's plan of the broker's app (Tsuru's default)" },
  {
    name: 'endpoint',
    value: 'URL',
    meaning:
      "where Tsuru reaches the broker (http://{address}, the address of the app's router; https where that has TLS)",
  },
  {
    name: 'env',
    value: 'NAME=VALUE',
    meaning: 'another variable of the broker, such as BROKER_POOL=POOL; can be repeated',
  },
  {
    name: 'print',
    meaning: 'prints the commands of the tsuru client and the manifest that do the same, and does nothing',
  },
];

/** What `setup` makes itself. */
const OWN = ['TSURU_HOST', 'TSURU_TOKEN', 'BROKER_USERNAME', 'BROKER_PASSWORD', 'BROKER_EVENTS_TOKEN'];
const USERNAME = 'tsuru';
const EXAMPLE = 'an-example-of-a-secret';

/** @throws {UsageError} with everything that is wrong. */
export function readInstallation(given: Given): Installation {
  const missing = ['team', 'broker-image', 'image'].filter((name) => valueOf(given, name) === undefined);
  if (missing.length > 0) {
    throw new UsageError(`${missing.map((name) => `--${name}`).join(' and ')} must be given.`);
  }
  const text = (name: string, fallback = ''): string => valueOf(given, name) ?? fallback;
  const service = text('service', 'prometheus');
  const variables = {
    BROKER_USERNAME: USERNAME,
    BROKER_IMAGE: text('image'),
    BROKER_SERVICE: service,
    ...plansVariable(valueOf(given, 'plans')),
    ...furtherVariables(given.get('env') ?? []),
  };
  const installation = {
    ...{ team: text('team'), app: text('app', 'prometheus-broker'), pool: text('pool'), plan: text('plan') },
    ...{ brokerImage: text('broker-image'), endpoint: text('endpoint', 'http://{address}').replace(/\/+$/, '') },
    ...{ service, username: USERNAME, variables },
  };
  assertNames(installation);
  assertConfiguration(variables);
  return installation;
}

/** The text of the file: the broker runs elsewhere. */
function plansVariable(file: string | undefined): Readonly<Record<string, string>> {
  if (file === undefined) return {};
  try {
    return { BROKER_PLANS: readFileSync(file, 'utf8') };
  } catch (error) {
    throw new UsageError(`--plans ${file} cannot be read (${errorText(error)}).`);
  }
}

function furtherVariables(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair): [string, string] => {
      const [name = '', ...value] = pair.split('=');
      if (value.length === 0 || !/^[A-Z][A-Z0-9_]*$/.test(name)) {
        throw new UsageError(`--env must be NAME=VALUE, such as BROKER_POOL=my-pool.`);
      }
      if (OWN.includes(name)) throw new UsageError(`--env ${name} cannot be given: setup makes it itself.`);
      return [name, value.join('=')];
    }),
  );
}

function assertNames({ team, app, endpoint }: Installation): void {
  const isUrl = URL.canParse(endpoint.replaceAll(/\{(address|unit)\}/g, 'example.com')) && /^https?:/.test(endpoint);
  const problems = [
    ...(/^[a-z][a-z0-9-]{0,39}$/.test(team) ? [] : [`--team ${team} cannot be the name of a team in Tsuru.`]),
    ...(/^[a-z][a-z0-9-]{0,39}$/.test(app) ? [] : [`--app ${app} cannot be the name of an app in Tsuru.`]),
    ...(isUrl ? [] : [`--endpoint ${endpoint} must be an address, such as https://prometheus-broker.example.com.`]),
  ];
  if (problems.length > 0) throw new UsageError(problems.join('\n'));
}

/** The broker would not start with a variable that it cannot use. */
function assertConfiguration(variables: Environment): void {
  const result = readConfig({
    ...{ TSURU_HOST: 'http://example.com', TSURU_TOKEN: EXAMPLE, BROKER_PASSWORD: EXAMPLE },
    ...variables,
  });
  if (!result.ok) throw new UsageError(result.problems.join('\n'));
}
