// A local Tsuru with one service and its scripted broker: what tests of the service side start from.
import { expect } from '../support/instance.ts';
import type { Client } from './client.ts';
import { serviceOf, startScriptedBroker, type Script, type ScriptedBroker } from './scripted-broker.ts';
import type { LocalTsuru, TsuruOptions } from './server.ts';
import type { ServiceOptions } from './services.ts';
import { withTsuru } from './worlds.ts';

export interface Brokered {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  readonly broker: ScriptedBroker;
}

interface BrokeredOptions {
  readonly tsuru?: Partial<TsuruOptions>;
  readonly service?: Partial<ServiceOptions>;
  /** Without it the broker is content with everything, and has nothing to tell. */
  readonly script?: Script;
}

/** Runs a test with the service prometheus. */
export async function withBroker(
  { tsuru: options = {}, service = {}, script = content }: BrokeredOptions,
  test: (brokered: Brokered) => Promise<void>,
): Promise<void> {
  const broker = await startScriptedBroker(script);
  try {
    await withTsuru(options, async (tsuru, admin) => {
      tsuru.addService(serviceOf(broker, service));
      await test({ tsuru, admin, broker });
    });
  } finally {
    await broker.close();
  }
}

export const content: Script = ({ method, path }) => {
  if (path.endsWith('/status')) return { status: 204, body: '' };
  return { status: 200, body: method === 'GET' ? '[]' : '{}' };
};

export async function addInstance(admin: Client, name = 'my-instance'): Promise<void> {
  const form = { name, owner: 'shop' };
  await expect(admin.call('POST', '/1.0/services/prometheus/instances', { form }), 201);
}

export function bindPath(app: string, instance = 'my-instance'): string {
  return `/1.13/services/prometheus/instances/${instance}/apps/${app}`;
}

/** What a broker was asked, in short: 'POST /resources'. */
export function askedOf({ asked }: ScriptedBroker): string[] {
  return asked.map(({ method, path }) => `${method} ${path}`);
}
