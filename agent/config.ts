import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatDuration, parseDuration } from './shared/duration.ts';
import type { SettingsInput } from './shared/settings/settings.ts';
import { AUTHORITIES_VARIABLE, LARGEST_FILE_BYTES, readAuthorities, type Authorities } from './shared/authorities.ts';
import { createReader, type ConfigResult, type Environment, type Variable } from './shared/environment.ts';
import { proxyProblems, proxySecrets } from './prometheus/configuration/proxies.ts';
import { LOG_LEVELS, type LogLevel } from './shared/log.ts';
import { parsePassword, PASSWORD_EXPECTED } from './shared/password.ts';
import { hostPort, type Listen } from './system/listen.ts';

/** The agent's configuration, whole and checked. */
export interface Config {
  readonly tsuruUrl: URL;
  readonly tsuruToken: string;
  /** The app that this instance is, whose own unit is never a target. */
  readonly ownApp: string | undefined;
  readonly prometheus: PrometheusConfig;
  /** The public port; undefined if Prometheus is guarded elsewhere. */
  readonly gateway: GatewayConfig | undefined;
  readonly listen: Listen;
  readonly dataFolder: string;
  readonly baseConfig: string;
  readonly rulesFolder: string;
  readonly pollIntervalMs: number;
  /** Settings for what the instance's own do not say. */
  readonly settings: SettingsInput;
  readonly authorities: Authorities;
  /** Users and passwords of proxies. */
  readonly proxySecrets: readonly string[];
  /** The name of this unit. */
  readonly replica: string;
  readonly logLevel: LogLevel;
}

/** The Prometheus beside the agent: one that it runs, or an external one. */
export type PrometheusConfig =
  | { readonly kind: 'supervised'; readonly url: URL; readonly listen: Listen; readonly storageFolder: string }
  | { readonly kind: 'external'; readonly url: URL };

export interface GatewayConfig {
  readonly listen: Listen;
  readonly username: string;
  readonly password: string;
}

/** Polling faster than this is a slip: each poll costs Tsuru a write to its database. */
const SHORTEST_POLL_MS = 100;
const LONGEST_POLL_MS = 3_600_000;

const LISTEN_EXPECTED = 'an IP address and a port, such as 127.0.0.1:9091 or [::1]:9091';

/** The base configuration that comes with this program. */
const BASE_CONFIG = fileURLToPath(new URL('../image/prometheus.yml', import.meta.url));

/** The alerts about the instance itself, of this program. */
export const INSTANCE_RULES = fileURLToPath(new URL('../image/rules/instance.yml', import.meta.url));

/** The folder of the dashboards for Grafana, of this program. */
export const DASHBOARDS = fileURLToPath(new URL('../image/dashboards/', import.meta.url));

export const VARIABLES = [
  {
    name: 'TSURU_HOST',
    default: undefined,
    meaning: "Tsuru's address, such as https://tsuru.example.com (Tsuru sets it)",
  },
  { name: 'TSURU_TOKEN', default: undefined, meaning: "the instance's own token, which may read the bound apps" },
  {
    name: 'TSURU_APPNAME',
    default: '',
    meaning: 'the app that this instance is, never a target itself (Tsuru sets it)',
  },
  {
    name: 'GATEWAY_USERNAME',
    default: '',
    meaning: 'the user of the public port; required when the agent runs its own Prometheus',
  },
  { name: 'GATEWAY_PASSWORD', default: '', meaning: 'the password of that user, at least 16 characters' },
  { name: 'PORT', default: '8888', meaning: 'the public port (Tsuru sets it)' },
  AUTHORITIES_VARIABLE,
  {
    name: 'HTTP_PROXY',
    default: '',
    meaning:
      'the proxy of remote_write and alertmanagers at http:// addresses, from Prometheus 2.43 on (or http_proxy)',
  },
  { name: 'HTTPS_PROXY', default: '', meaning: 'the same at https:// addresses (or https_proxy)' },
  {
    name: 'NO_PROXY',
    default: '',
    meaning: 'hosts, domains and networks that are reached without a proxy, separated by commas (or no_proxy)',
  },
  {
    name: 'PROMETHEUS_URL',
    default: '',
    meaning: 'the URL of an external Prometheus; without it the agent runs its own',
  },
  {
    name: 'AGENT_PROMETHEUS_LISTEN',
    default: '127.0.0.1:9090',
    meaning: "address and port of the agent's own Prometheus",
  },
  { name: 'AGENT_STORAGE_DIR', default: '/prometheus/data', meaning: "folder of its own Prometheus' data" },
  { name: 'AGENT_GATEWAY_ADDRESS', default: '::', meaning: 'the address on which the public port is opened' },
  {
    name: 'AGENT_LISTEN',
    default: '127.0.0.1:9091',
    meaning: "address and port of the agent's own pages",
  },
  {
    name: 'AGENT_DATA_DIR',
    default: '/prometheus/agent',
    meaning: 'folder of the target file (targets/apps.json) and the saved state',
  },
  {
    name: 'AGENT_BASE_CONFIG',
    default: '',
    meaning: "the base of Prometheus' configuration, only read (image/prometheus.yml of this version)",
  },
  { name: 'AGENT_RULES_DIR', default: '', meaning: 'folder of rules, *.yml and *.yaml (rules in AGENT_DATA_DIR)' },
  { name: 'AGENT_POLL_INTERVAL', default: '15s', meaning: 'time between polls of Tsuru; 5s at most after a change' },
  { name: 'AGENT_SCRAPE_INTERVAL', default: '15s', meaning: "scrape_interval of Prometheus' configuration" },
  { name: 'AGENT_SCRAPE_TIMEOUT', default: '10s', meaning: "scrape_timeout of Prometheus' configuration" },
  {
    name: 'AGENT_TARGETS_PER_APP',
    default: '10000',
    meaning: 'the most targets one app may have; the rest is left out',
  },
  { name: 'AGENT_LOG_LEVEL', default: 'info', meaning: LOG_LEVELS.join(', ') },
] as const satisfies readonly Variable[];
const SECRETS = ['TSURU_TOKEN', 'GATEWAY_USERNAME', 'GATEWAY_PASSWORD'] as const;

/** Reads the configuration from the environment. All problems come at once, each a sentence; no value of a secret is in them. */
export function readConfig(environment: Environment): ConfigResult<Config> {
  const { problems, read } = createReader(environment, { variables: VARIABLES, prefix: 'AGENT_', secrets: SECRETS });

  const span = (shortestMs: number, longestMs: number): [(value: string) => number | undefined, string] => [
    (value) => inRange(parseDuration(value), shortestMs, longestMs),
    `a duration from ${formatDuration(shortestMs)} to ${formatDuration(longestMs)}, such as 15s`,
  ];

  function readPrometheus(): PrometheusConfig | undefined {
    const url = read(
      'PROMETHEUS_URL',
      (value) => (value === '' ? 'own' : parseUrl(value)),
      'an address without user or query, such as http://127.0.0.1:9090',
    );
    const listen = read('AGENT_PROMETHEUS_LISTEN', parseListen, LISTEN_EXPECTED);
    const storageFolder = read('AGENT_STORAGE_DIR', absolute, 'an absolute path');
    if (url === 'own' && listen !== undefined && (!isLoopback(listen.host) || listen.port === 0)) {
      problems.push(
        `AGENT_PROMETHEUS_LISTEN=${hostPort(listen)} cannot be used: Prometheus is reached through the public port only, so it must be a loopback address such as 127.0.0.1, with a port.`,
      );
    }
    if (url === 'own' && storageFolder !== undefined && storageFolder === dataFolder)
      problems.push('AGENT_STORAGE_DIR cannot be used: it must be another folder than AGENT_DATA_DIR.');
    if (url === undefined || listen === undefined || storageFolder === undefined) return undefined;
    if (url !== 'own') return { kind: 'external', url };
    return { kind: 'supervised', url: new URL(`http://${hostPort(listen)}`), listen, storageFolder };
  }

  /** Null without a public port: an external Prometheus is guarded where it runs, unless these variables are set. */
  function readGateway(isRequired: boolean): GatewayConfig | null | undefined {
    const host = read('AGENT_GATEWAY_ADDRESS', (value) => (isIP(value) === 0 ? undefined : value), 'an IP address');
    const port = read(
      'PORT',
      (value) => (/^\d{1,5}$/.test(value) ? inRange(Number(value), 0, 65_535) : undefined),
      'a port',
    );
    const username = read('GATEWAY_USERNAME', parseUsername, 'visible characters without a colon');
    const password = read(
      'GATEWAY_PASSWORD',
      (value) => (value === '' ? value : parsePassword(value)),
      PASSWORD_EXPECTED,
    );
    if (host === undefined || port === undefined || username === undefined || password === undefined) return undefined;
    if (!isRequired && username === '' && password === '') return null;
    for (const [name, value] of Object.entries({ GATEWAY_USERNAME: username, GATEWAY_PASSWORD: password })) {
      if (value === '')
        problems.push(`${name} is not set: without user and password the public port would be open to everybody.`);
    }
    return { listen: { host, port }, username, password };
  }

  problems.push(...proxyProblems(environment));
  const authorities = readAuthorities(
    (environment[AUTHORITIES_VARIABLE.name] ?? '').trim(),
    LARGEST_FILE_BYTES,
    Date.now(),
  );
  if (!authorities.ok) problems.push(authorities.problem);
  const dataFolder = read('AGENT_DATA_DIR', absolute, 'an absolute path');
  const config = {
    tsuruUrl: read(
      'TSURU_HOST',
      (value) => parseUrl(value.includes('://') ? value : `http://${value}`),
      "Tsuru's address without user or query, such as https://tsuru.example.com",
    ),
    tsuruToken: read('TSURU_TOKEN', parseToken, 'a token of visible characters in one line'),
    ownApp: read('TSURU_APPNAME', (value) => value, ''),
    prometheus: readPrometheus(),
    listen: read('AGENT_LISTEN', parseListen, LISTEN_EXPECTED),
    dataFolder,
    baseConfig: read(
      'AGENT_BASE_CONFIG',
      (value) => (value === '' ? BASE_CONFIG : absolute(value)),
      'an absolute path',
    ),
    rulesFolder: read(
      'AGENT_RULES_DIR',
      (value) => (value === '' ? join(dataFolder ?? '/', 'rules') : absolute(value)),
      'an absolute path',
    ),
    pollIntervalMs: read('AGENT_POLL_INTERVAL', ...span(SHORTEST_POLL_MS, LONGEST_POLL_MS)),
    scrapeIntervalMs: read('AGENT_SCRAPE_INTERVAL', ...span(1_000, 3_600_000)),
    scrapeTimeoutMs: read('AGENT_SCRAPE_TIMEOUT', ...span(1_000, 3_600_000)),
    targetsPerApp: read(
      'AGENT_TARGETS_PER_APP',
      (value) => (/^\d{1,6}$/.test(value) ? inRange(Number(value), 1, 100_000) : undefined),
      'a whole number from 1 to 100000',
    ),
    logLevel: read(
      'AGENT_LOG_LEVEL',
      (value) => LOG_LEVELS.find((level) => level === value),
      `one of ${LOG_LEVELS.join(', ')}`,
    ),
  };
  const { scrapeIntervalMs, scrapeTimeoutMs } = config;
  if (scrapeIntervalMs !== undefined && scrapeTimeoutMs !== undefined && scrapeTimeoutMs > scrapeIntervalMs) {
    problems.push('AGENT_SCRAPE_TIMEOUT cannot be used: it must not be above AGENT_SCRAPE_INTERVAL.');
  }
  const gateway = readGateway(config.prometheus?.kind === 'supervised');
  const taken = [
    ...(config.prometheus?.kind === 'supervised'
      ? [['AGENT_PROMETHEUS_LISTEN', config.prometheus.listen] as const]
      : []),
    ...(config.listen === undefined ? [] : [['AGENT_LISTEN', config.listen] as const]),
    ...(gateway === null || gateway === undefined ? [] : [['PORT', gateway.listen] as const]),
  ];
  taken.forEach(([name, listen], index) => {
    const other = taken.slice(0, index).find(([, before]) => overlap(before, listen));
    if (other !== undefined) problems.push(`${name} cannot be used: ${other[0]} has port ${listen.port} already.`);
  });
  if (problems.length > 0 || !isWhole(config) || gateway === undefined || !authorities.ok)
    return { ok: false, problems };
  const { scrapeIntervalMs: interval, scrapeTimeoutMs: timeout, targetsPerApp, ...rest } = config;
  return {
    ok: true,
    config: Object.freeze({
      ...rest,
      settings: {
        scrape_interval: formatDuration(interval),
        scrape_timeout: formatDuration(timeout),
        targets_per_app: targetsPerApp,
      },
      // The name of its pod.
      replica: environment['HOSTNAME'] ?? hostname(),
      ownApp: config.ownApp === '' ? undefined : config.ownApp,
      gateway: gateway ?? undefined,
      authorities: authorities.authorities,
      proxySecrets: proxySecrets(environment),
    }),
  };
}

type Partly<T> = { readonly [K in keyof T]: T[K] | undefined };

function isWhole<T extends object>(config: Partly<T>): config is T {
  return Object.values(config).every((value) => value !== undefined);
}

function absolute(path: string): string | undefined {
  return isAbsolute(path) ? path : undefined;
}

function inRange(value: number | undefined, least: number, most: number): number | undefined {
  return value !== undefined && value >= least && value <= most ? value : undefined;
}

function parseUrl(value: string): URL | undefined {
  const url = URL.parse(value);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return undefined;
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '' ? url : undefined;
}

/** A token goes into a header, where other characters would be refused or end the line. */
function parseToken(value: string): string | undefined {
  return /^[\x21-\x7e]+$/.test(value) ? value : undefined;
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1';
}

/** Whether both cannot be opened, as they are the same or one of them is every address. */
function overlap(a: Listen, b: Listen): boolean {
  const isEvery = [a.host, b.host].some((host) => host === '::' || host === '0.0.0.0');
  return a.port !== 0 && a.port === b.port && (isEvery || a.host === b.host);
}

/** RFC 7617: the user ends at the first colon. */
function parseUsername(value: string): string | undefined {
  return /^[\x21-\x39\x3b-\x7e]*$/.test(value) ? value : undefined;
}

function parseListen(value: string): Listen | undefined {
  const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value);
  const host = parts?.[1] ?? parts?.[2] ?? '';
  const port = inRange(Number(parts?.[3] ?? -1), 0, 65_535);
  return isIP(host) !== 0 && port !== undefined ? { host, port } : undefined;
}

/** What no log and no page may show. */
export function secretsOf({ tsuruToken, gateway, proxySecrets }: Config): readonly string[] {
  return [tsuruToken, ...(gateway === undefined ? [] : [gateway.password]), ...proxySecrets];
}
