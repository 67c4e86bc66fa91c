import type { Json, Node } from './node.ts';
import type { Place } from './problems.ts';
import { queryProblem } from './query.ts';
import { readFields, readText } from './structure.ts';

/** How Prometheus proves who it is. The secret is in a variable of the instance's app, of which only the name is a setting. */
export type Authentication =
  | { readonly kind: 'basic'; readonly username: string; readonly passwordEnv: string }
  | { readonly kind: 'authorization'; readonly type: string; readonly credentialsEnv: string };

/** The fields of an endpoint with which it is authenticated. */
export const AUTHENTICATION_FIELDS = ['basic_auth', 'authorization'] as const;

const LONGEST_URL = 2_048;
/** Variables that Tsuru, the agent and the programs in the container use: one of them in a request to anywhere would be a leak. */
const OWN_VARIABLES = [
  /^(?:TSURU|AGENT|GATEWAY|BROKER|NODE|NPM|KUBERNETES|LD|UV|SSL|OPENSSL|MALLOC|LC)_/,
  // With the user and the password of a proxy.
  /^(?:[A-Z]+_)?PROXY$/,
  /^GO(?:MEMLIMIT|MAXPROCS|GC|DEBUG|TRACEBACK)$/,
  /^(?:PORT|PATH|HOME|HOSTNAME|USER|LOGNAME|PWD|OLDPWD|SHELL|SHLVL|TERM|LANG|TMPDIR|TZ|PROMETHEUS_URL|CA_CERTIFICATES|_)$/,
];

const ENV_EXPECTED =
  'the name of an environment variable that holds the secret: capital letters, digits and _, such as REMOTE_WRITE_PASSWORD';

/** What is said of a field that would hold a secret, or names a file that does. */
export function secretAdvice(key: string): string | undefined {
  const normal = key.toLowerCase().replace(/[-_]/g, '');
  const put = 'put the secret in an environment variable of the instance\'s app ("tsuru env-set -p") and name it in';
  if (['password', 'passwd', 'pass', 'passwordfile', 'passwordref'].includes(normal))
    return `is refused, as settings are no place for a secret: ${put} basic_auth.password_env.`;
  if (/^(?:bearertoken|credentials|token|accesstoken|apikey|secret)(?:file|ref)?$/.test(normal))
    return `is refused, as settings are no place for a secret: ${put} authorization.credentials_env.`;
  if (['oauth2', 'sigv4', 'azuread', 'googleiam', 'tlsconfig'].includes(normal))
    return 'is not supported: there are basic_auth and authorization.';
  return undefined;
}

/** An http or https URL as it is written to Prometheus. No sentence quotes it: it may hold a secret. */
export function readUrl(node: Node, place: Place): string | undefined {
  const text = readText(node, place, 'a URL such as https://metrics.example.com/path')?.trim();
  if (text === undefined) return undefined;
  const url = text.length > LONGEST_URL || /[\s\p{Cc}\\]/u.test(text) ? null : URL.parse(text);
  if (!/^https?:\/\//i.test(text)) place.say('must be a URL that starts with http:// or https://.', node);
  else if (url === null || url.hostname === '')
    place.say(`is no URL that can be used: it must be like https://metrics.example.com/path.`, node);
  else if (url.username !== '' || url.password !== '') {
    place.say(
      'has a user or password in its URL, as settings are no place for a secret: put the password in an environment variable of the ' +
        'instance\'s app ("tsuru env-set -p") and name it in basic_auth.password_env, beside basic_auth.username.',
      node,
    );
  } else if (url.hash !== '') place.say('has a # in its URL: leave that part out.', node);
  else {
    const problem = queryProblem(url);
    if (problem === undefined) return url.href;
    place.say(problem, node);
  }
  return undefined;
}

/** `undefined` if there is none, `false` if its problems are noted. */
export function readAuthentication(
  fields: Readonly<Partial<Record<(typeof AUTHENTICATION_FIELDS)[number], Node>>>,
  place: Place,
): Authentication | undefined | false {
  const { basic_auth: basic, authorization } = fields;
  if (basic !== undefined && authorization !== undefined) {
    place.say('has both basic_auth and authorization: give one of them.', authorization);
    return false;
  }
  if (basic !== undefined) return readBasic(basic, place.at('.basic_auth')) ?? false;
  if (authorization !== undefined) return readAuthorization(authorization, place.at('.authorization')) ?? false;
  return undefined;
}

function readBasic(node: Node, place: Place): Authentication | undefined {
  const fields = readFields(node, place, ['username', 'password_env'], secretAdvice);
  if (fields === undefined) return undefined;
  const passwordEnv = readEnv(fields.password_env, node, place, 'password_env');
  if (fields.username === undefined) {
    place.say('has no username.', node);
    return undefined;
  }
  const username = readText(fields.username, place.at('.username'), 'a name');
  if (username !== undefined && /[:\p{Cc}]/u.test(username)) {
    place.at('.username').say('cannot hold a colon or control character.', fields.username);
    return undefined;
  }
  return username === undefined || passwordEnv === undefined ? undefined : { kind: 'basic', username, passwordEnv };
}

function readAuthorization(node: Node, place: Place): Authentication | undefined {
  const fields = readFields(node, place, ['type', 'credentials_env'], secretAdvice);
  if (fields === undefined) return undefined;
  const credentialsEnv = readEnv(fields.credentials_env, node, place, 'credentials_env');
  const type = fields.type === undefined ? 'Bearer' : readText(fields.type, place.at('.type'), 'a word such as Bearer');
  if (type !== undefined && !/^[A-Za-z][A-Za-z0-9-]{0,39}$/.test(type)) {
    place.at('.type').say('must be one word such as Bearer.', fields.type);
    return undefined;
  }
  if (type?.toLowerCase() === 'basic') {
    place.at('.type').say('cannot be Basic: use basic_auth with username and password_env.', fields.type);
    return undefined;
  }
  return type === undefined || credentialsEnv === undefined
    ? undefined
    : { kind: 'authorization', type, credentialsEnv };
}

/** A variable's name. It is not quoted: what is there may be the secret itself. */
export function readEnv(node: Node | undefined, parent: Node, place: Place, key: string): string | undefined {
  if (node === undefined) {
    // Where the secret itself is given, that it is refused says all.
    const refused = parent.kind === 'map' && parent.entries.some(([name]) => secretAdvice(name) !== undefined);
    if (!refused) place.say(`has no ${key}: it is ${ENV_EXPECTED}.`, parent);
    return undefined;
  }
  const name = readText(node, place.at(`.${key}`), ENV_EXPECTED);
  if (name === undefined) return undefined;
  if (!/^[A-Z_][A-Z0-9_]{0,99}$/.test(name)) place.at(`.${key}`).say(`must be ${ENV_EXPECTED}.`, node);
  else if (OWN_VARIABLES.some((own) => own.test(name))) {
    place
      .at(`.${key}`)
      .say(
        `names a variable of Tsuru or of the agent itself: choose a name of your own, such as REMOTE_WRITE_PASSWORD.`,
        node,
      );
  } else return name;
  return undefined;
}

export function writeAuthentication(authentication: Authentication | undefined): Readonly<Record<string, Json>> {
  if (authentication === undefined) return {};
  if (authentication.kind === 'basic') {
    return { basic_auth: { username: authentication.username, password_env: authentication.passwordEnv } };
  }
  return { authorization: { type: authentication.type, credentials_env: authentication.credentialsEnv } };
}
