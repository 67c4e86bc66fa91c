import { asArray, asObject, type JsonObject } from '../../../agent/shared/shape.ts';
import { shuffled } from '../../support/shuffled.ts';
import { readExchanges } from '../../tsuru/recording.ts';

/** The second number of the first unit's address: 127.0 and 127.1 are left to others. */
const FIRST_BLOCK = 2;
/** Of a node (RFC 5737): nobody's. */
const NODE_ADDRESS = '192.0.2.10';
/** What stands in a template for what differs from app to app. */
const NAME = '<name>';
const UNITS = '<units>';

/** Apps as a real Tsuru was recorded to tell them, as JSON that is ready to be sent. Tsuru sorts no list, so each answer has another order. */
export interface Apps {
  readonly names: readonly string[];
  /** The answer to `GET /1.0/apps?extended=true`. */
  list(): Buffer;
  /** The answer to `GET /1.0/apps/A`; undefined for an app that is not there. */
  details(name: string): Buffer | undefined;
  /** One unit goes and another one comes, with a name and an address of its own; returns its name. */
  replaceUnit(): string;
}

interface BenchApp {
  readonly name: string;
  /** As JSON, each. */
  units: readonly string[];
}

/** The address of the unit that came as number N, from 1. */
export function addressOf(number: number): string {
  return `127.${FIRST_BLOCK + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
}

export async function createApps(units: number, unitsPerApp: number): Promise<Apps> {
  const templates = await readTemplates();
  let born = 0;
  let replaced = 0;
  const apps = Array.from({ length: Math.ceil(units / unitsPerApp) }, (_, index): BenchApp => {
    const name = `bench-${String(index + 1).padStart(4, '0')}`;
    const many = Math.min(unitsPerApp, units - index * unitsPerApp);
    return { name, units: Array.from({ length: many }, () => unitOf(name).text) };
  });
  const listed = JSON.stringify({ ...templates.listed, name: NAME, units: UNITS });
  const detailed = JSON.stringify({ ...templates.detailed, name: NAME, units: UNITS });

  function unitOf(app: string): { readonly name: string; readonly text: string } {
    born++;
    const ip = addressOf(born);
    const name = `${app}-web-5d8c7f9b6d-${born.toString(36).padStart(5, '0')}`;
    // As pods of Kubernetes are reported.
    const address = { Address: null, HostAddr: '', HostPort: '', InternalIP: ip, IP: NODE_ADDRESS };
    return { name, text: JSON.stringify({ ...templates.unit, ID: name, Name: name, AppName: app, ...address }) };
  }

  function written(template: string, { name, units }: BenchApp): string {
    return template
      .replace(JSON.stringify(NAME), () => JSON.stringify(name))
      .replace(JSON.stringify(UNITS), () => `[${shuffled(units).join(',')}]`);
  }

  return {
    names: apps.map(({ name }) => name),
    list: () => Buffer.from(`[${shuffled(apps.map((app) => written(listed, app))).join(',')}]\n`),
    details(name) {
      const app = apps.find((candidate) => candidate.name === name);
      return app && Buffer.from(`${written(detailed, app)}\n`);
    },
    replaceUnit() {
      const app = apps[replaced++ % apps.length];
      if (app === undefined) throw new Error('there is no app');
      const unit = unitOf(app.name);
      app.units = [...app.units.slice(1), unit.text];
      return unit.name;
    },
  };
}

/** An app in the list, the same in full, and a unit, as recorded; without annotations, which most apps do without. */
async function readTemplates(): Promise<{ listed: JsonObject; detailed: JsonObject; unit: JsonObject }> {
  const exchanges = await readExchanges();
  const answer = (name: string): unknown => exchanges.find((exchange) => exchange.name === name)?.response.json;
  const metadata = { labels: [], annotations: [] };
  const [first] = asArray(answer('apps: exactly what the token may read'), 'the recorded list');
  const listed = asObject(first, 'the recorded app');
  const [unit] = asArray(listed['units'], 'its units');
  return {
    listed: { ...listed, metadata },
    detailed: { ...asObject(answer('app in full'), 'the recorded app in full'), metadata },
    unit: asObject(unit, 'the recorded unit'),
  };
}
