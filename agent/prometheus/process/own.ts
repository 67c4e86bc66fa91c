import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { canMakeRoom, dropSetAside } from '../../storage/free.ts';
import { readMemoryLimit } from '../../capacity/memory-limit.ts';
import type { CapacityFacts } from '../../capacity/capacity.ts';
import { createLoadFile, type LoadFile } from '../../capacity/load.ts';
import { readVolume, type Volume } from '../../storage/volume.ts';
import { isTight, type VolumeLook } from '../../capacity/volume-steps.ts';
import type { Clock } from '../../shared/clock.ts';
import { hostPort, type Listen } from '../../system/listen.ts';
import type { Environment } from '../../shared/environment.ts';
import type { Log } from '../../shared/log.ts';
import type { Settings } from '../../shared/settings/schema.ts';
import { errorText } from '../../shared/text.ts';
import type { LogLine } from '../api/logfmt.ts';
import type { PrometheusClient } from '../api/client.ts';
import { secretsSent } from '../configuration/secret-files.ts';
import { passedOn } from './flags.ts';
import { createSalvage } from '../../storage/salvage.ts';
import type { OwnSecret } from '../api/own-secret.ts';
import type { Starts } from './start-attempts.ts';
import { createSupervisor, type Launch, type SupervisorEvent } from './supervisor.ts';
import { askHelp, askVersion, featuresOf, lockFlagsOf, type Features } from '../api/features.ts';

/** Found on the PATH, as promtool is. */
const PROMETHEUS = 'prometheus';
/** Has the kernel end Prometheus in order when the agent is killed. It comes with util-linux; without it the next agent ends what is left. */
const ENDED_WITH_AGENT = ['setpriv', '--pdeathsig', 'TERM', '--'];

/** This many looks in a row at a full volume, which are 5 s apart: its own guard and Prometheus' next block had their chance. */
const FULL_LOOKS = 3;
/** Restarts for a full volume come at most so often: each is a gap, and data are deleted. */
const BETWEEN_FULL_MS = 60_000;

/** Both answer at once, unless the machine is starved. */
const PROBE_TIMEOUT_MS = 5_000;

/** What is found out once, at the start: which Prometheus there is, and what it has. What cannot be found out is reported, and taken for unknown. */
export interface Found {
  readonly features: Features;
  /** With which it locks its data. */
  readonly lockFlags: readonly string[];
  readonly capacity: CapacityFacts;
  /** Of the volume; undefined if it could not be read. */
  readonly usedBytes: number | undefined;
  readonly loadFile: LoadFile;
}

export interface FindOptions {
  readonly storageFolder: string;
  readonly dataFolder: string;
  readonly environment: Environment;
  readonly log: Log;
}

export async function findOwnPrometheus(
  { storageFolder, dataFolder, environment, log }: FindOptions,
  signal: AbortSignal,
): Promise<Found> {
  const help = await askHelp(PROMETHEUS, passedOn(environment), signal).catch((error: unknown) => {
    if (!signal.aborted)
      log.warn(`the flags of Prometheus are unknown, so it runs without a lock on its data: ${errorText(error)}`);
    return '';
  });
  const version = await askVersion(PROMETHEUS, passedOn(environment), signal).catch((error: unknown) => {
    if (!signal.aborted)
      log.warn(
        `the version of Prometheus is not known, so nothing is used that only newer ones can do: ${errorText(error)}`,
      );
    return undefined;
  });
  const { usedBytes, ...volume } = await readVolume(storageFolder).catch((error: unknown): VolumeAtStart => {
    log.warn(`the size of the volume of ${storageFolder} is unknown: ${errorText(error)}`);
    return { kind: 'disk', sizeBytes: undefined, usedBytes: undefined };
  });
  const memory = await readMemoryLimit();
  const loadFile = createLoadFile(dataFolder);
  return {
    features: featuresOf(version),
    lockFlags: lockFlagsOf(help),
    capacity: {
      memoryLimitBytes: memory.kind === 'known' ? memory.bytes : undefined,
      volume,
      load: await loadFile.load(),
      layout: undefined,
      volumeSteps: undefined,
      paused: new Map(),
      samples: undefined,
    },
    usedBytes,
    loadFile,
  };
}

type VolumeAtStart = Pick<Volume, 'kind' | 'sizeBytes'> & { readonly usedBytes: number | undefined };

export interface OwnPrometheusOptions {
  readonly listen: Listen;
  readonly storageFolder: string;
  readonly starts: Starts;
  readonly access: OwnSecret;
  readonly environment: Environment;
  readonly settings: () => Settings;
  readonly client: PrometheusClient;
  readonly clock: Clock;
  /** Makes room on its volume while no Prometheus runs. Never rejects. */
  readonly makeRoom: () => Promise<void>;
  readonly keepsWal: boolean;
  /** Takes each line of its log. */
  readonly onLine: (line: LogLine) => void;
  readonly report: (event: OwnPrometheusEvent) => void;
}

/** Where its events go. */
export type OwnPrometheusEvent =
  | { readonly kind: 'process'; readonly event: SupervisorEvent }
  /** Data were deleted from a full volume. */
  | { readonly kind: 'lost'; readonly text: string };

/** The Prometheus that the agent runs itself. */
export interface OwnPrometheus {
  /** Takes what it is to be started with; it never blocks, and a running one is restarted only for other flags. */
  readonly want: (launch: Launch) => void;
  /** Why there is no process of it at present; undefined while there is one. */
  readonly absence: () => string | undefined;
  /** Called at each observation of its volume; returns whether it has freed anything. Never rejects. */
  readonly relieve: (look: VolumeLook) => Promise<boolean>;
  /** Runs it until the signal aborts, and then stops it. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export async function createOwnPrometheus(options: OwnPrometheusOptions): Promise<OwnPrometheus> {
  const { listen, storageFolder, access, environment, client, clock, report } = options;
  let fullLooks = 0;
  let relievedAtMs = -Infinity;

  const supervisor = createSupervisor({
    command: (await canEndWithAgent(environment)) ? [...ENDED_WITH_AGENT, PROMETHEUS] : [PROMETHEUS],
    storageFolder,
    keepsWal: options.keepsWal,
    starts: options.starts,
    salvage: createSalvage(storageFolder, clock.wallMs),
    prepare: options.makeRoom,
    blocked: async () => (await placeProblem(access)) ?? (await whoListens(listen)),
    ready: client.ready,
    clock,
    // Receivers may quote what they were sent.
    secrets: () => secretsSent(options.settings(), environment),
    onLine: options.onLine,
    onEvent(event) {
      report({ kind: 'process', event });
    },
  });

  /** A volume that stays full has every commit fail while Prometheus looks well, and the agent cannot write what would help. */
  async function restartIfFull(): Promise<void> {
    const isFull = supervisor.absence() === undefined && (await canMakeRoom(storageFolder));
    fullLooks = isFull ? fullLooks + 1 : 0;
    if (fullLooks < FULL_LOOKS || clock.nowMs() - relievedAtMs < BETWEEN_FULL_MS) return;
    fullLooks = 0;
    relievedAtMs = clock.nowMs();
    supervisor.restart('its volume is full');
  }

  return {
    want: supervisor.want,
    absence: supervisor.absence,
    async relieve(look) {
      try {
        const text = isTight(look) ? await dropSetAside(storageFolder) : undefined;
        if (text !== undefined) report({ kind: 'lost', text });
        await restartIfFull();
        return text !== undefined;
      } catch {
        // An unknown usage is reported by the volume guard, and deletes nothing.
        return false;
      }
    },
    run: supervisor.run,
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
