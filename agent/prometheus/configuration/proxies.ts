import type { Environment } from '../../shared/environment.ts';
import type { Settings } from '../../shared/settings/schema.ts';
import type { Features } from '../api/features.ts';

/** The proxies that Go's programs take from their environment, in the order in which they look. */
const PROXIES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'] as const;
/** All that they read of proxies there. */
export const PROXY_VARIABLES = [...PROXIES, 'NO_PROXY', 'no_proxy'] as const;

/** What Go takes for a proxy. */
const PROTOCOLS = ['http:', 'https:', 'socks5:', 'socks5h:'];
const PROXY_EXPECTED = 'the address of a proxy, such as http://proxy.example.com:3128';

export function hasProxy(environment: Environment): boolean {
  return PROXIES.some((name) => (environment[name] ?? '') !== '');
}

/** What is wrong with the proxies of an environment, without their values, which may hold a password. */
export function proxyProblems(environment: Environment): readonly string[] {
  return PROXIES.filter((name) => {
    const value = environment[name] ?? '';
    return value !== '' && parseProxy(value) === undefined;
  }).map((name) => `${name} cannot be used: it must be ${PROXY_EXPECTED}.`);
}

/** The users and passwords in the addresses of proxies, as they are written and as they are meant. */
export function proxySecrets(environment: Environment): readonly string[] {
  return PROXIES.flatMap((name) => {
    const value = environment[name] ?? '';
    const [, userinfo] = /^(?:[a-z0-9]+:\/\/)?([^/?#]*)@/i.exec(value) ?? [];
    const password = parseProxy(value)?.password ?? '';
    const meant = decoded(password);
    const secrets = [userinfo, userinfo?.slice(userinfo.indexOf(':') + 1), password, meant];
    return secrets.flatMap((secret) => (secret === undefined || secret === '' ? [] : [secret]));
  });
}

/** Why nothing goes through the proxy that there is; undefined if it is used, or there is nothing to send. */
export function proxyProblem(settings: Settings, features: Features, isThere: boolean): string | undefined {
  const isNeeded = settings.remoteWrite.length > 0 || settings.alertmanagers.length > 0;
  if (!isThere || !isNeeded || features.proxyFromEnvironment) return undefined;
  const present =
    features.version === undefined ? 'the version of this one is not known yet' : `this one is ${features.version}`;
  return `remote_write and alertmanagers do not use the proxy of HTTP_PROXY and HTTPS_PROXY: that needs Prometheus 2.43 or newer, and ${present}`;
}

/** As Go reads it, which silently ignores an invalid proxy. It takes `proxy.example.com:3128`, too. */
function parseProxy(value: string): URL | undefined {
  const url = URL.parse(value.includes('://') ? value : `http://${value}`);
  if (url === null || !PROTOCOLS.includes(url.protocol) || url.hostname === '') return undefined;
  return decoded(url.href) === undefined ? undefined : url;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
