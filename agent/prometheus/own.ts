import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { readMemoryLimit } from '../budget/limits.ts';
import { createRoom, type Room } from '../budget/room.ts';
import { readVolume, type Volume } from '../budget/volume.ts';
import type { Clock } from '../clock.ts';
import type { Environment, Listen } from '../config.ts';
import type { Log } from '../shared/log.ts';
import type { Settings } from '../shared/settings/schema.ts';
import { errorText } from '../shared/text.ts';
import type { Troubles } from '../troubles.ts';
import type { LogLine } from './child.ts';
import type { PrometheusClient } from './client.ts';
import { flagsOf, launchOf } from './launch.ts';
import { createStarts } from './starts.ts';
import { createSupervisor, type SupervisorEvent } from './supervisor.ts';
import { askVersion, featuresOf, type Features } from './version.ts';

/** Found on the PATH, as promtool is. */
const PROMETHEUS = 'prometheus';
/** Has the kernel end Prometheus in order when the agent is killed. It comes with util-linux; without it the next agent ends what is left. */
const ENDED_WITH_AGENT = ['setpriv', '--pdeathsig', 'TERM', '--'];

export interface OwnPrometheusOptions {
  readonly listen: Listen;
  readonly storageFolder: string;
  readonly dataFolder: string;
  readonly configFile: string;
  readonly environment: Environment;
  readonly settings: () => Settings;
  readonly client: PrometheusClient;
  readonly clock: Clock;
  readonly troubles: Troubles;
  readonly log: Log;
  readonly onLine: (line: LogLine) => void;
  readonly onEvent: (event: SupervisorEvent) => void;
  /** Its configuration is to be rendered anew. */
  readonly onConfiguration: () => void;
  /** Targets are to be fitted anew. */
  readonly onFit: () => void;
}

/** The Prometheus that the agent runs itself, and the room that it has. */
export interface OwnPrometheus {
  readonly features: Features;
  readonly room: Room;
  /** Has it run with the settings that are in force now, and this address: only other flags start it anew. */
  launch(externalUrl: string | undefined): void;
  /** Runs it until the signal aborts, and then stops it. */
  run(signal: AbortSignal): Promise<void>;
}

/** Finds out which Prometheus there is and what room it has. Never rejects: what cannot be found out is told, and taken for unknown. */
export async function createOwnPrometheus(options: OwnPrometheusOptions): Promise<OwnPrometheus> {
  const { listen, storageFolder, configFile, environment, settings, client, clock, troubles, log } = options;
  const version = await askVersion(PROMETHEUS).catch((error: unknown) => {
    log.warn(
      `the version of Prometheus is not known, so nothing is used that only newer ones can do: ${errorText(error)}`,
    );
    return undefined;
  });
  const volume = await readVolume(storageFolder).catch((error: unknown): Volume => {
    log.warn(`how large the volume of ${storageFolder} is cannot be told: ${errorText(error)}`);
    return { kind: 'disk', sizeBytes: undefined, usedBytes: 0 };
  });
  const memory = await readMemoryLimit();
  const features = featuresOf(version);
  let externalUrl: string | undefined;

  const room = createRoom({
    memory,
    volume,
    storageFolder,
    settings,
    client,
    clock,
    troubles,
    onRetention() {
      options.onConfiguration();
      want();
    },
    onFit: options.onFit,
  });
  const supervisor = createSupervisor({
    command: hasSetpriv(environment) ? [...ENDED_WITH_AGENT, PROMETHEUS] : [PROMETHEUS],
    storageFolder,
    keepsWal: volume.kind === 'disk',
    starts: createStarts(options.dataFolder, storageFolder),
    ready: client.ready,
    clock,
    onLine: options.onLine,
    onEvent: options.onEvent,
  });

  function want(): void {
    const { flags, goMemLimitBytes } = room.budget();
    const retentionSizeBytes = room.retentionSizeBytes();
    supervisor.want(
      launchOf({
        configFile,
        storageFolder,
        listen,
        externalUrl,
        flags: [...flags, ...flagsOf({ settings: settings(), features, retentionSizeBytes })],
        goMemLimitBytes,
        environment,
      }),
    );
  }

  return {
    features,
    room,
    launch(url) {
      externalUrl = url;
      want();
    },
    async run(signal) {
      await Promise.all([supervisor.run(signal), room.run(signal)]);
    },
  };
}

function hasSetpriv({ PATH = '' }: Environment): boolean {
  return PATH.split(delimiter).some((folder) => existsSync(join(folder, 'setpriv')));
}
