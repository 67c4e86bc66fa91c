import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Environment, Listen } from '../config.ts';
import { errorText } from '../shared/text.ts';
import type { LogLine } from './child.ts';
import type { PrometheusClient } from './client.ts';
import { launchOf, type LaunchOptions } from './launch.ts';
import { createStarts } from './starts.ts';
import { createSupervisor, type SupervisorEvent } from './supervisor.ts';
import { askVersion } from './version.ts';

/** Found on the PATH, as promtool is. */
const PROMETHEUS = 'prometheus';
/** Has the kernel end Prometheus in order when the agent is killed. It comes with util-linux; without it the next agent ends what is left. */
const ENDED_WITH_AGENT = ['setpriv', '--pdeathsig', 'TERM', '--'];

export interface OwnPrometheusOptions {
  readonly listen: Listen;
  readonly storageFolder: string;
  /** Whether its data are in memory. */
  readonly isTmpfs: boolean;
  readonly dataFolder: string;
  readonly configFile: string;
  readonly environment: Environment;
  readonly client: PrometheusClient;
  readonly clock: Clock;
  readonly onLine: (line: LogLine) => void;
  readonly onEvent: (event: SupervisorEvent) => void;
}

/** The Prometheus that the agent runs itself. */
export interface OwnPrometheus {
  /** Starts it, or starts it anew, if these are not the flags that it has. */
  want(launch: Pick<LaunchOptions, 'externalUrl' | 'flags' | 'goMemLimitBytes'>): void;
  /** Runs it until the signal aborts, and then stops it. */
  run(signal: AbortSignal): Promise<void>;
}

export function createOwnPrometheus(options: OwnPrometheusOptions): OwnPrometheus {
  const { listen, storageFolder, configFile, environment } = options;
  const supervisor = createSupervisor({
    command: hasSetpriv(environment) ? [...ENDED_WITH_AGENT, PROMETHEUS] : [PROMETHEUS],
    storageFolder,
    keepsWal: !options.isTmpfs,
    starts: createStarts(options.dataFolder, storageFolder),
    ready: options.client.ready,
    clock: options.clock,
    onLine: options.onLine,
    onEvent: options.onEvent,
  });
  return {
    want(launch) {
      supervisor.want(launchOf({ configFile, storageFolder, listen, environment, ...launch }));
    },
    run: supervisor.run,
  };
}

function hasSetpriv({ PATH = '' }: Environment): boolean {
  return PATH.split(delimiter).some((folder) => existsSync(join(folder, 'setpriv')));
}

/** The version of the Prometheus on the PATH, or why it is not known. */
export async function ownVersion(): Promise<{ readonly version?: string; readonly problem?: string }> {
  return askVersion(PROMETHEUS).then(
    (version) => ({ version }),
    (error: unknown) => ({ problem: errorText(error) }),
  );
}
