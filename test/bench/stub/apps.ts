import { asArray, asObject, type JsonObject } from '../../../agent/shared/shape.ts';
import { readExchanges } from '../../tsuru/recording.ts';

/** Where every unit pretends to listen: nobody does, so that a scrape costs next to nothing. */
const PORT = 8888;
/** The second number of the first unit's address: 127.0 and 127.1 are left to others. */
const FIRST_BLOCK = 2;

/** Apps as a real Tsuru was recorded to tell them, as JSON that is ready to be sent. */
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
  units: readonly JsonObject[];
  /** Its part of the list. */
  text: string;
}

export async function createApps(units: number, unitsPerApp: number): Promise<Apps> {
  const templates = await readTemplates();
  let born = 0;
  let replaced = 0;
  const apps = Array.from({ length: Math.ceil(units / unitsPerApp) }, (_, index): BenchApp => {
    const name = `bench-${String(index + 1).padStart(4, '0')}`;
    const many = Math.min(unitsPerApp, units - index * unitsPerApp);
    return written({ name, units: Array.from({ length: many }, () => unitOf(name)), text: '' });
  });
  let list = joined();

  function unitOf(app: string): JsonObject {
    born++;
    const ip = `127.${FIRST_BLOCK + (born >> 16)}.${(born >> 8) & 255}.${born & 255}`;
    const name = `${app}-web-5d8c7f9b6d-${born.toString(36).padStart(5, '0')}`;
    const address = { ...asObject(templates.unit['Address'], 'Address'), Host: `${ip}:${PORT}` };
    return { ...templates.unit, ID: name, Name: name, AppName: app, InternalIP: ip, HostAddr: ip, Address: address };
  }

  function written(app: BenchApp): BenchApp {
    app.text = JSON.stringify({ ...templates.listed, name: app.name, units: app.units });
    return app;
  }

  function joined(): Buffer {
    return Buffer.from(`[${apps.map(({ text }) => text).join(',')}]\n`);
  }

  return {
    names: apps.map(({ name }) => name),
    list: () => list,
    details(name) {
      const app = apps.find((candidate) => candidate.name === name);
      return app && Buffer.from(`${JSON.stringify({ ...templates.detailed, name, units: app.units })}\n`);
    },
    replaceUnit() {
      const app = apps[replaced++ % apps.length];
      if (app === undefined) throw new Error('there is no app');
      const unit = unitOf(app.name);
      app.units = [...app.units.slice(1), unit];
      written(app);
      list = joined();
      return String(unit['Name']);
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
