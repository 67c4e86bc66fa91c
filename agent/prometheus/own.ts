import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { readMemoryLimit } from '../budget/limits.ts';
import { createLoadFile } from '../budget/load.ts';
import { createRoom, type Room } from '../budget/room.ts';
import { readVolume, type Volume } from '../budget/volume.ts';
import type { Clock } from '../clock.ts';
import { hostPort, type Listen } from '../config.ts';
import type { Environment } from '../shared/environment.ts';
import type { Log } from '../shared/log.ts';
import type { Settings } from '../shared/settings/schema.ts';
import { errorText } from '../shared/text.ts';
import type { Troubles } from '../troubles.ts';
import type { LogLine } from './child.ts';
import type { PrometheusClient } from './client.ts';
import { flagsOf, launchOf, passedOn } from './launch.ts';
import type { OwnSecret } from './secret.ts';
import { createStarts } from './starts.ts';
import { createSupervisor, type SupervisorEvent } from './supervisor.ts';
import { askVersion, featuresOf, type Features } from './version.ts';

/** Found on the PATH, as promtool is. */
const PROMETHEUS = 'prometheus';
/** Has the kernel end Prometheus in order when the agent is killed. It comes with util-linux; without it the next agent ends what is left. */
const ENDED_WITH_AGENT = ['setpriv', '--pdeathsig', 'TERM', '--'];

/** Both answer at once, unless the machine is starved. */
const PROBE_TIMEOUT_MS = 5_000;

export interface OwnPrometheusOptions {
  readonly listen: Listen;
  readonly storageFolder: string;
  readonly dataFolder: string;
  readonly configFile: string;
  readonly access: OwnSecret;
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
  /** Why there is no process of it at present; undefined while there is one. */
  readonly absence: () => string | undefined;
  /** Runs it until the signal aborts, and then stops it. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Finds out which Prometheus there is and what room it has. What cannot be found out is told, and taken for unknown.
 * @throws when there is no room to run one.
 */
export async function createOwnPrometheus(options: OwnPrometheusOptions, signal: AbortSignal): Promise<OwnPrometheus> {
  const { listen, storageFolder, configFile, access, environment, settings, client, clock, troubles, log } = options;
  const version = await askVersion(PROMETHEUS, passedOn(environment), signal).catch((error: unknown) => {
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
  const loadFile = createLoadFile(options.dataFolder);
  let externalUrl: string | undefined;

  const room = createRoom({
    memory,
    volume,
    storageFolder,
    loadFile,
    savedLoad: await loadFile.load(),
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
  const { refusal } = room.budget();
  if (refusal !== undefined) throw new Error(refusal);
  const supervisor = createSupervisor({
    command: (await canEndWithAgent(environment)) ? [...ENDED_WITH_AGENT, PROMETHEUS] : [PROMETHEUS],
    storageFolder,
    keepsWal: volume.kind === 'disk',
    starts: createStarts(options.dataFolder, storageFolder),
    blocked: async () => (await placeProblem(access)) ?? (await whoListens(listen)),
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
        webConfigFile: access.webConfigFile,
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
    absence: supervisor.absence,
    launch(url) {
      externalUrl = url;
      want();
    },
    async run(signal) {
      await Promise.all([supervisor.run(signal), room.run(signal)]);
    },
  };
}

/** Whether there is a setpriv, and one that knows this. */
async function canEndWithAgent(environment: Environment): Promise<boolean> {
  const [program = '', ...words] = ENDED_WITH_AGENT;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  execFile(program, [...words, 'true'], { timeout: PROBE_TIMEOUT_MS, env: passedOn(environment) }, (error) => {
    resolve(error === null);
  });
  return promise;
}

/** Without the file Prometheus would not start, and with the one of an earlier agent it would not answer to this one. */
async function placeProblem(access: OwnSecret): Promise<string | undefined> {
  try {
    await access.place();
    return undefined;
  } catch (error) {
    return `Prometheus is not started, as the secret that it asks of requests cannot be written to AGENT_DATA_DIR: ${errorText(error)}`;
  }
}

/** Somebody else at its address would be taken for it. */
async function whoListens(listen: Listen): Promise<string | undefined> {
  const socket = connect({ ...listen, timeout: PROBE_TIMEOUT_MS });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => {
    resolve(true);
  });
  for (const event of ['error', 'timeout'] as const)
    socket.once(event, () => {
      resolve(false);
    });
  const isTaken = await promise;
  socket.destroy();
  if (!isTaken) return undefined;
  return `Prometheus is not started, as another program listens at ${hostPort(listen)}: end it, or set AGENT_PROMETHEUS_LISTEN to another port`;
}
