import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { fileURLToPath } from 'node:url';
import {
  AUTHORITIES_VARIABLE,
  LARGEST_VARIABLE_BYTES,
  readAuthorities,
  type Authorities,
} from '../agent/shared/authorities.ts';
import type { Credentials } from '../agent/shared/basic-auth.ts';
import { createReader, type ConfigResult, type Environment, type Variable } from '../agent/shared/environment.ts';
import { LOG_LEVELS, type LogLevel } from '../agent/shared/log.ts';
import { parsePassword, PASSWORD_EXPECTED } from '../agent/shared/password.ts';
import { errorText } from '../agent/shared/text.ts';
import type { Plan } from './plans/plan.ts';
import { readPlans } from './plans/read.ts';

/** The broker's configuration, whole and checked. */
export interface Config {
  readonly tsuruUrl: URL;
  readonly tsuruToken: string;
  readonly auth: Credentials;
  /** Of the webhook; undefined: no events are taken. */
  readonly eventsToken: string | undefined;
  readonly listen: { readonly host: string; readonly port: number };
  readonly service: string;
  readonly image: string;
  readonly pool: string;
  readonly instanceUrl: string;
  readonly plans: readonly Plan[];
  readonly authorities: Authorities;
  /** The PATH on which promtool is found. */
  readonly programsPath: string;
  readonly logLevel: LogLevel;
}

/** The plans that come with this program. */
const PLANS = fileURLToPath(new URL('plans.yaml', import.meta.url));

export const VARIABLES = [
  {
    name: 'TSURU_HOST',
    default: undefined,
    meaning: "Tsuru's address, such as https://tsuru.example.com (Tsuru sets it)",
  },
  { name: 'TSURU_TOKEN', default: undefined, meaning: "the broker's own token, with the role prometheus-broker" },
  {
    name: 'BROKER_USERNAME',
    default: undefined,
    meaning: 'the user that Tsuru calls with, as in the service manifest',
  },
  { name: 'BROKER_PASSWORD', default: undefined, meaning: 'the password of that user, at least 16 characters' },
  {
    name: 'BROKER_EVENTS_TOKEN',
    default: '',
    meaning: "the token of Tsuru's webhook, at least 16 visible characters; unset: no events are taken",
  },
  { name: 'BROKER_IMAGE', default: undefined, meaning: 'the image of the instances' },
  { name: 'BROKER_SERVICE', default: 'prometheus', meaning: "the service's name in Tsuru" },
  { name: 'BROKER_PLANS', default: '', meaning: 'a file of plans, or its text (broker/plans.yaml of this version)' },
  {
    name: 'BROKER_POOL',
    default: '',
    meaning:
      "the pool of instances when neither Tsuru, the plan nor the user names one (the team's own, or Tsuru's default)",
  },
  {
    name: 'BROKER_INSTANCE_URL',
    default: 'http://{address}',
    meaning: "how an instance is reached: {address} is its router's address, {unit} its unit's host and port",
  },
  { name: 'BROKER_ADDRESS', default: '::', meaning: 'the address on which the port is opened' },
  { name: 'PORT', default: '8888', meaning: 'the port (Tsuru sets it)' },
  { ...AUTHORITIES_VARIABLE, meaning: `${AUTHORITIES_VARIABLE.meaning}; instances get them, too` },
  { name: 'BROKER_LOG_LEVEL', default: 'info', meaning: LOG_LEVELS.join(', ') },
] as const satisfies readonly Variable[];
const SECRETS = ['TSURU_TOKEN', 'BROKER_USERNAME', 'BROKER_PASSWORD', 'BROKER_EVENTS_TOKEN'] as const;
/** One that can stand in a header, and is too long to be guessed. */
const EVENTS_TOKEN = /^[\x21-\x7e]{16,}$/;

/** Reads the configuration from the environment, and the plans from their file. All problems come at once, each a sentence without a secret. */
export function readConfig(environment: Environment): ConfigResult<Config> {
  const { problems, read } = createReader(environment, { variables: VARIABLES, prefix: 'BROKER_', secrets: SECRETS });

  const tsuruUrl = read(
    'TSURU_HOST',
    parseTsuruUrl,
    "Tsuru's address without user or query, such as https://tsuru.example.com",
  );
  const tsuruToken = read('TSURU_TOKEN', matching(/^[\x21-\x7e]+$/), 'a token of visible characters in one line');
  // RFC 7617: the user ends at the first colon.
  const username = read('BROKER_USERNAME', matching(/^[\x21-\x39\x3b-\x7e]+$/), 'visible characters without a colon');
  const password = read('BROKER_PASSWORD', parsePassword, PASSWORD_EXPECTED);
  const eventsToken = read(
    'BROKER_EVENTS_TOKEN',
    (value) => (value === '' || EVENTS_TOKEN.test(value) ? value : undefined),
    'at least 16 visible characters without spaces',
  );
  problems.push(...eventsTokenProblems(environment['BROKER_EVENTS_TOKEN'], [tsuruToken, password]));
  const image = read(
    'BROKER_IMAGE',
    matching(/^[\w./:@-]+$/),
    'the name of an image, such as example.com/prometheus:1',
  );
  const service = read(
    'BROKER_SERVICE',
    matching(/^[a-z][a-z0-9-]*$/),
    'small letters, digits and -, as Tsuru takes it',
  );
  const pool = read('BROKER_POOL', matching(/^[\w.-]*$/), 'the name of a pool');
  const instanceUrl = read(
    'BROKER_INSTANCE_URL',
    parseTemplate,
    'an address with {address} or {unit}, such as https://{address}',
  );
  const host = read('BROKER_ADDRESS', (value) => (isIP(value) === 0 ? undefined : value), 'an IP address');
  const port = read(
    'PORT',
    (value) => (/^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? Number(value) : undefined),
    'a port',
  );
  const logLevel = read(
    'BROKER_LOG_LEVEL',
    (value) => LOG_LEVELS.find((level) => level === value),
    `one of ${LOG_LEVELS.join(', ')}`,
  );
  const plans = read('BROKER_PLANS', (value) => plansOf(value, problems), '');
  const authorities = readAuthorities(
    (environment[AUTHORITIES_VARIABLE.name] ?? '').trim(),
    LARGEST_VARIABLE_BYTES,
    Date.now(),
  );
  if (!authorities.ok) problems.push(authorities.problem);
  const values = { tsuruUrl, tsuruToken, image, service, pool, instanceUrl, plans, logLevel };
  const isAnythingMissing =
    username === undefined || password === undefined || host === undefined || port === undefined;
  if (problems.length > 0 || isAnythingMissing || !isWhole(values) || !authorities.ok) return { ok: false, problems };
  const programsPath = environment['PATH'] ?? '';
  const config = {
    ...values,
    authorities: authorities.authorities,
    programsPath,
    auth: { username, password },
    eventsToken: eventsToken === '' ? undefined : eventsToken,
    listen: { host, port },
  };
  return { ok: true, config: Object.freeze(config) };
}

/** Every user of Tsuru can read the headers of webhooks. */
function eventsTokenProblems(given: string | undefined, secrets: readonly (string | undefined)[]): readonly string[] {
  const token = given?.trim();
  if (token === '')
    return ['BROKER_EVENTS_TOKEN is empty: set it to a token of its own, or unset it to take no events.'];
  if (token === undefined || !secrets.includes(token)) return [];
  return ['BROKER_EVENTS_TOKEN must be no other secret: every user of Tsuru can read it in the webhook.'];
}

/** From the text itself, which has more than one line, or from the file that the value names. */
function plansOf(value: string, problems: string[]): readonly Plan[] {
  const [text, where] = value.includes('\n')
    ? [value, 'BROKER_PLANS']
    : [readPlansFile(value === '' ? PLANS : value, problems), value];
  if (text === undefined) return [];
  const result = readPlans(text);
  if (result.ok) return result.plans;
  problems.push(...result.problems.map((problem) => `${where}: ${problem}`));
  return [];
}

function readPlansFile(file: string, problems: string[]): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    problems.push(`BROKER_PLANS=${file} cannot be read (${errorText(error)}).`);
    return undefined;
  }
}

type Partly<T> = { readonly [K in keyof T]: T[K] | undefined };

function isWhole<T extends object>(values: Partly<T>): values is T {
  return Object.values(values).every((value) => value !== undefined);
}

function matching(pattern: RegExp): (value: string) => string | undefined {
  return (value) => (pattern.test(value) ? value : undefined);
}

/** Tsuru's address, also without a scheme, as the tsuru client takes it. */
export function parseTsuruUrl(value: string): URL | undefined {
  return parseUrl(value.includes('://') ? value : `http://${value}`);
}

function parseUrl(value: string): URL | undefined {
  const url = URL.parse(value);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return undefined;
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '' ? url : undefined;
}

function parseTemplate(value: string): string | undefined {
  const example = value.replace(/\{(address|unit)\}/, 'example.com');
  return example !== value && !example.includes('{') && parseUrl(example) !== undefined ? value : undefined;
}
