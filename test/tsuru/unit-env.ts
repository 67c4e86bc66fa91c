// What Tsuru puts into the environment of an image's processes.
import { DEFAULT_PORT } from './images.ts';
import type { App } from './state.ts';

/** What an app's variables are in each of its units: those that are set, those of bound instances, Tsuru's own. */
export function appEnv(app: App): Record<string, string> {
  return {
    ...Object.fromEntries([...app.env.values()].map(({ name, value }) => [name, value])),
    ...Object.fromEntries(app.serviceEnv.map(({ name, value }) => [name, value])),
    TSURU_SERVICES: tsuruServices(app),
    TSURU_APPNAME: app.name,
    TSURU_APPDIR: '/home/application/current',
  };
}

/** All variables of bound instances as one JSON: `{"mysql": [{"instance_name": "db", "envs": {"HOST": "..."}}]}`. */
export function tsuruServices({ serviceEnv }: App): string {
  const services = Map.groupBy(serviceEnv, ({ service }) => service);
  return JSON.stringify(
    Object.fromEntries(
      [...services].map(([service, ofService]) => [
        service,
        [...Map.groupBy(ofService, ({ instance }) => instance)].map(([instance, variables]) => ({
          instance_name: instance,
          envs: Object.fromEntries(variables.map(({ name, value }) => [name, value])),
        })),
      ]),
    ),
  );
}

/** What differs from unit to unit. TSURU_LOCAL_... are only the local Tsuru's: see images.ts. */
export interface UnitEnvOptions {
  readonly process: string;
  readonly version: number;
  readonly host: string;
  readonly port: number;
  /** Where volumes are, by mount point. */
  readonly volumes: Readonly<Record<string, string>>;
}

export function unitEnv({ process, version, host, port, volumes }: UnitEnvOptions): Record<string, string> {
  return {
    TSURU_PROCESSNAME: process,
    TSURU_APPVERSION: String(version),
    // Tsuru leaves it out when the image EXPOSEs another port only.
    ...(port === DEFAULT_PORT ? { PORT: String(port) } : {}),
    TSURU_LOCAL_ADDRESS: host,
    TSURU_LOCAL_PORT: String(port),
    TSURU_LOCAL_PARENT: 'stdin',
    ...(Object.keys(volumes).length === 0 ? {} : { TSURU_LOCAL_VOLUMES: JSON.stringify(volumes) }),
  };
}
