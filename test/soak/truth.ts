// What should be scraped, computed by rules of its own from what the local Tsuru reports its administrator: agent/README.md's section
// "What is scraped" again, as simply as possible, and without a line of the agent.
import { asArray, asObject, type JsonObject } from '../../agent/shared/shape.ts';
import type { ActiveTarget } from '../support/prometheus.ts';
import { expect, type Instance } from '../support/instance.ts';
import type { Client } from '../tsuru/client.ts';
import { MEANINGS } from './annotations.ts';

/** What the soak's agents are told to scrape with, as Prometheus writes it. */
const INTERVAL = '1s';
const TIMEOUT = '1s';

const NOT_RUNNING = ['created', 'building', 'stopped', 'succeeded'];
const PREFERRED_PORT = 8888;

/** All of a target that matters, on one line. */
export function lineOf({ url, interval, timeout, labels }: Omit<ActiveTarget, 'health'> | TargetTruth): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = sorted.map(([name, value]) => `${name}=${String(value)}`).join(' ');
  return `${new URL(url).href} every ${interval} within ${timeout}: ${text}`;
}

interface TargetTruth {
  readonly url: string;
  readonly interval: string;
  readonly timeout: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** How things are in Tsuru. */
export interface Truth {
  readonly apps: number;
  readonly bound: number;
  readonly units: number;
  /** Every target that there should be, a line each, in order. */
  readonly targets: readonly string[];
}

/** What an instance should scrape now. No fault may be there that Tsuru's administrator would meet, too. */
export async function readTruth(admin: Client, instance: Instance): Promise<Truth> {
  const token = asObject(await read(admin, `/1.6/tokens/${instance.app}`), 'the token');
  const granted = new Set(lists(token, 'roles').map((role) => role['ContextValue']));
  const all = ((await read(admin, '/1.0/apps')) as JsonObject[]).map((app) => String(app['name']));
  const names = all.filter((name) => name !== instance.app);
  const apps = await Promise.all(names.map(async (name) => asObject(await read(admin, `/1.0/apps/${name}`), name)));
  const bound = apps.filter((app) => granted.has(app['name']));
  return {
    apps: apps.length,
    bound: bound.length,
    units: apps.flatMap((app) => lists(app, 'units')).length,
    targets: bound
      .flatMap((app) => lists(app, 'units').flatMap((unit) => targetOf(app, unit)))
      .map(lineOf)
      .sort(),
  };
}

function targetOf(app: JsonObject, unit: JsonObject): TargetTruth[] {
  const process = String(unit['ProcessName']);
  const ip = String(unit['InternalIP']);
  if (process === '' || ip === '' || NOT_RUNNING.includes(String(unit['Status']))) return [];
  const wish = wishes(app, process);
  const port = wish('port') ?? portOf(app, process, String(unit['Version']));
  if (port === undefined || wish('scrape') === 'false') return [];
  return [
    {
      url: `${wish('scheme') ?? 'http'}://${ip}:${port}${wish('path') ?? '/metrics'}`,
      interval: wish('interval') ?? INTERVAL,
      timeout: wish('timeout') ?? TIMEOUT,
      labels: {
        job: String(app['name']),
        instance: String(unit['Name']),
        tsuru_app: String(app['name']),
        tsuru_process: process,
        tsuru_pool: String(app['pool']),
        tsuru_team: String(app['teamowner']),
        tsuru_version: String(unit['Version']),
      },
    },
  ];
}

/** The annotation that counts: the process' own if it makes sense, else the app's. */
function wishes(app: JsonObject, process: string): (name: string) => string | undefined {
  const own = lists(app, 'processes').filter(({ name }) => name === process);
  const annotations = [...own, app].map(({ metadata }) => lists(asObject(metadata, 'metadata'), 'annotations'));
  return (name) => {
    const key = `prometheus.io/${name}`;
    for (const all of annotations) {
      const value = all.find((annotation) => annotation['name'] === key)?.['value'];
      const meaning = MEANINGS[key]?.get(String(value));
      if (meaning !== undefined) return meaning;
    }
    return undefined;
  };
}

/** A TCP port of the process: of the unit's version where Tsuru tells versions apart, 8888 if it is among them, else the lowest. */
function portOf(app: JsonObject, process: string, version: string): string | undefined {
  const open = lists(app, 'internalAddresses').filter(
    (address) => address['Process'] === process && address['Protocol'] === 'TCP',
  );
  const ofVersion = open.filter((address) => address['Version'] === version);
  const ports = (ofVersion.length > 0 ? ofVersion : open).map((address) => Number(address['TargetPort']));
  if (ports.length === 0) return undefined;
  return String(ports.includes(PREFERRED_PORT) ? PREFERRED_PORT : Math.min(...ports));
}

function lists(object: JsonObject, key: string): JsonObject[] {
  return asArray(object[key] ?? [], key).map((item) => asObject(item, key));
}

async function read(admin: Client, path: string): Promise<unknown> {
  const { status, body } = await expect(admin.call('GET', path), 200, 204);
  return status === 204 ? [] : JSON.parse(body);
}
