import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { canMakeRoom, dropSetAside } from '../budget/free.ts';
import { readMemoryLimit } from '../budget/limits.ts';
import { createLoadFile } from '../budget/load.ts';
import { createRoom, type Room, type RoomOptions } from '../budget/room.ts';
import { readVolume } from '../budget/volume.ts';
import { isTight, type VolumeLook } from '../budget/watchdog.ts';
import type { Clock } from '../shared/clock.ts';
import { hostPort, type Listen } from '../config.ts';
import type { Environment } from '../shared/environment.ts';
import type { Log } from '../shared/log.ts';
import type { Settings } from '../shared/settings/schema.ts';
import { errorText } from '../shared/text.ts';
import type { Troubles } from '../troubles.ts';
import type { LogLine } from './child.ts';
import type { PrometheusClient } from './client.ts';
import { secretsSent } from './credentials.ts';
import { flagsOf, launchOf, passedOn } from './launch.ts';
import { createSalvage } from './salvage.ts';
import type { OwnSecret } from './secret.ts';
import type { Starts } from './starts.ts';
import { createSupervisor, type SupervisorEvent } from './supervisor.ts';
import { askHelp, askVersion, featuresOf, lockFlagsOf, type Features } from './version.ts';

/** Found on the PATH, as promtool is. */
const PROMETHEUS = 'prometheus';
/** Has the kernel end Prometheus in order when the agent is killed. It comes with util-linux; without it the next agent ends what is left. */
const ENDED_WITH_AGENT = ['setpriv', '--pdeathsig', 'TERM', '--'];

/** So many looks in a row at a full volume, which are 5 s apart: its own guard and Prometheus' next block had their chance. */
const FULL_LOOKS = 3;
/** Restarts for a full volume come at most so often: each is a gap, and data are deleted. */
const BETWEEN_FULL_MS = 60_000;

/** Both answer at once, unless the machine is starved. */
const PROBE_TIMEOUT_MS = 5_000;

export interface OwnPrometheusOptions {
  readonly listen: Listen;
  readonly storageFolder: string;
  readonly dataFolder: string;
  readonly starts: Starts;
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
  /** Makes room on its volume while no Prometheus runs. Never rejects. */
  readonly makeRoom: () => Promise<void>;
  /** Data were deleted from a full volume. */
  readonly onLost: (text: string) => void;
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
  const help = await askHelp(PROMETHEUS, passedOn(environment), signal).catch((error: unknown) => {
    if (!signal.aborted)
      log.warn(`the flags of Prometheus are not known, so it is not told to lock its data: ${errorText(error)}`);
    return '';
  });
  const lockFlags = lockFlagsOf(help);
  const version = await askVersion(PROMETHEUS, passedOn(environment), signal).catch((error: unknown) => {
    if (!signal.aborted)
      log.warn(
        `the version of Prometheus is not known, so nothing is used that only newer ones can do: ${errorText(error)}`,
      );
    return undefined;
  });
  const volume = await readVolume(storageFolder).catch((error: unknown): RoomOptions['volume'] => {
    log.warn(`how large the volume of ${storageFolder} is cannot be told: ${errorText(error)}`);
    return { kind: 'disk', sizeBytes: undefined, usedBytes: undefined };
  });
  const memory = await readMemoryLimit();
  const features = featuresOf(version);
  const loadFile = createLoadFile(options.dataFolder);
  let externalUrl: string | undefined;
  let fullLooks = 0;
  let relievedAtMs = -Infinity;

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
    onLook: relieve,
  });
  const { refusal } = room.budget();
  if (refusal !== undefined) throw new Error(refusal);
  const supervisor = createSupervisor({
    command: (await canEndWithAgent(environment)) ? [...ENDED_WITH_AGENT, PROMETHEUS] : [PROMETHEUS],
    storageFolder,
    keepsWal: volume.kind === 'disk',
    starts: options.starts,
    salvage: createSalvage(storageFolder, clock.wallMs),
    prepare: options.makeRoom,
    blocked: async () => (await placeProblem(access)) ?? (await whoListens(listen)),
    ready: client.ready,
    clock,
    // Receivers may quote what they were sent.
    secrets: () => secretsSent(settings(), environment),
    onLine: options.onLine,
    onEvent: options.onEvent,
  });

  /** Returns whether it has freed anything. */
  async function relieve(look: VolumeLook): Promise<boolean> {
    try {
      const lost = isTight(look) ? await dropSetAside(storageFolder) : undefined;
      if (lost !== undefined) options.onLost(lost);
      await restartIfFull();
      return lost !== undefined;
    } catch {
      // What is unknown is told by the guard of the volume, and deletes nothing.
      return false;
    }
  }

  /** A volume that stays full has every commit fail while Prometheus looks well, and the agent cannot write what would help. */
  async function restartIfFull(): Promise<void> {
    const isFull = supervisor.absence() === undefined && (await canMakeRoom(storageFolder));
    fullLooks = isFull ? fullLooks + 1 : 0;
    if (fullLooks < FULL_LOOKS || clock.nowMs() - relievedAtMs < BETWEEN_FULL_MS) return;
    fullLooks = 0;
    relievedAtMs = clock.nowMs();
    supervisor.restart('its volume is full');
  }

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
        flags: [
          ...flags,
          ...lockFlags,
          ...flagsOf({ settings: settings(), features, retentionSizeBytes, goMemLimitBytes }),
        ],
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
