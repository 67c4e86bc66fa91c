// An "image" of the local Tsuru is a set of processes: commands of this machine, functions, or nothing at all.

/** What a process knows of the unit it runs as. */
export interface UnitPlace {
  readonly app: string;
  readonly process: string;
  readonly version: number;
  /** The unit's name. */
  readonly unit: string;
  readonly host: string;
  readonly port: number;
  /** TSURU_HOST, PORT and so on, with the app's variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Where each volume is, by mount point. For what runs inside this process never the mount point itself. */
  readonly volumes: Readonly<Record<string, string>>;
  /** Adds a line to the app's log. */
  readonly log: (line: string) => void;
}

/**
 * A real child process. What no pod would need to be told, and Tsuru does not report, is in TSURU_LOCAL_ADDRESS, TSURU_LOCAL_PORT and,
 * with volumes, TSURU_LOCAL_VOLUMES: JSON of the folder by mount point, which is the mount point itself where it could be
 * mounted. With TSURU_LOCAL_PARENT=stdin it should end when its stdin ends.
 */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly cwd?: string;
  /**
   * Started as Tsuru starts an image: by a login shell, so its PATH is that of /etc/profile, and as user 1000 where this process
   * is root. Not the default: this machine's files may be for others only.
   */
  readonly asInPod?: boolean;
  /** The group of user 1000 in the image's /etc/passwd; 0 without an entry, as in a pod. */
  readonly gid?: number;
}

/** What tsuru.yaml says of the health of the process web: the path that answers 2xx or 3xx once it is ready. */
export interface Healthcheck {
  readonly path: string;
}

/** Runs inside this process: cheap, for tests with many units. */
export type InProcess = (place: UnitPlace) => Promise<{ close(): Promise<void> }>;

/** 'nothing': the unit has an address at which nobody listens. */
export type ProcessRunner = Command | InProcess | 'nothing';

export interface Port {
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
}

export interface Image {
  /** Without it a unit counts as started as soon as its process runs, before it listens. */
  readonly healthcheck?: Healthcheck;
  /** The port the image EXPOSEs. */
  readonly exposes?: number;
  readonly processes: Readonly<Record<string, ProcessRunner>>;
  /** The ports of a process, where they are not just what the image EXPOSEs; [] for a process without any. */
  readonly ports?: Readonly<Record<string, readonly Port[]>>;
  /** The address of its units (one at a time), instead of one of their own: '::1'. */
  readonly address?: string;
}

/** Undefined: such an image cannot be pulled. */
export type Images = (name: string) => Image | undefined;

export const DEFAULT_PORT = 8888;

/**
 * The images that `npm run local-tsuru` knows: every name runs the demo app, and parts of the name ask for more.
 * `worker` adds a process worker that does not listen, `-port9100` EXPOSEs that port, `-healthcheck` has one, `crash` ends right after its
 * start, `missing/...` cannot be pulled.
 */
export function demoImages(demoApp: readonly [string, ...string[]]): Images {
  return (name) => {
    if (name.startsWith('missing/')) return undefined;
    const port = /-port(\d+)/.exec(name)?.[1];
    const web: Command = name.includes('crash') ? { argv: ['/bin/sh', '-c', 'exit 1'] } : { argv: demoApp };
    return {
      exposes: port === undefined ? DEFAULT_PORT : Number(port),
      ...(name.includes('-healthcheck') ? { healthcheck: { path: '/healthz' } } : {}),
      processes: name.includes('worker') ? { web, worker: { argv: demoApp } } : { web },
    };
  };
}
