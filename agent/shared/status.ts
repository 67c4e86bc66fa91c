/**
 * Why a unit is not scraped, as the status and the metrics name it. `expected`: it starts, has ended, or its user wants it so; `problem`:
 * somebody has to do something about it.
 */
const LEFT_OUT = {
  created: 'expected',
  building: 'expected',
  stopped: 'expected',
  succeeded: 'expected',
  no_address: 'problem',
  no_port: 'problem',
  no_process: 'expected',
  opted_out: 'expected',
  listed_twice: 'problem',
  target_limit: 'problem',
  no_capacity: 'problem',
} as const;
export type LeftOutReason = keyof typeof LEFT_OUT;

export function isLeftOutReason(code: string): code is LeftOutReason {
  return Object.hasOwn(LEFT_OUT, code);
}

export const LEFT_OUT_REASONS = Object.keys(LEFT_OUT).filter(isLeftOutReason);

/** Whether units that are left out for this reason are a problem. A reason of a later version, which is not known here, is one. */
export function isProblem(reason: LeftOutReason | undefined): boolean {
  return reason === undefined || LEFT_OUT[reason] === 'problem';
}

/** What the agent reports of itself at `/tsuru/status`. Times are ISO 8601 in UTC; what has not happened yet is null. */
export interface Status {
  /** The app that this instance is; null when the environment does not say. */
  readonly instance: string | null;
  /** The fingerprint of the token that Tsuru is asked with: after Tsuru has a new one, only a restart brings it here. */
  readonly token: string;
  readonly versions: { readonly agent: string; readonly node: string; readonly prometheus: string | null };
  readonly ready: boolean;
  /** What is wrong at present, and with whom, in sentences. */
  readonly problems: readonly string[];
  readonly lastPoll: {
    readonly at: string | null;
    readonly ok: boolean | null;
    readonly lastSuccess: string | null;
    readonly next: string | null;
  };
  readonly lastWrite: {
    readonly at: string | null;
    readonly ok: boolean | null;
    readonly file: string;
    readonly targets: number;
  };
  /** Whether Prometheus is proven to have loaded the last targets, and since when that is so. */
  readonly sync: { readonly inSync: boolean; readonly since: string | null; readonly problem?: string };
  /** When Prometheus last loaded a configuration from this agent, and why it does not run the newest. */
  readonly configuration: { readonly loaded: string | null; readonly refused?: string; readonly waiting?: string };
  readonly restored: boolean;
  readonly prometheus: {
    readonly ready: boolean;
    readonly reason?: string;
    /** There when the agent runs it. */
    readonly process?: ProcessStatus;
  };
  /** What there is, in bytes, and how much of it is taken; there when the agent runs Prometheus. */
  readonly capacity?: CapacityStatus;
  readonly apps: readonly AppStatus[];
}

/** The state of the agent's own Prometheus as a process. */
export interface ProcessStatus {
  readonly startedAt: string | null;
  /** How often it ended by itself since the agent started. */
  readonly crashes: number;
  /** The last time, with the last lines of its log. */
  readonly lastCrash?: { readonly at: string; readonly reason: string; readonly log: readonly string[] };
  /** Data that were given up to bring it up again. */
  readonly losses: readonly { readonly at: string; readonly what: string }[];
}

export interface AppStatus {
  readonly name: string;
  readonly pool: string;
  readonly team: string;
  readonly targets: number;
  readonly leftOut: number;
  /** Why its units are unknown at present, if they are: its last targets stay. */
  readonly unknown?: { readonly reason: string; readonly since: string };
  readonly units: readonly UnitStatus[];
  /** Annotations that make no sense and the like, and what to do about targets that are down. */
  readonly problems: readonly string[];
}

export type UnitStatus = TargetStatus | LeftOutStatus;

interface UnitFacts {
  readonly unit: string;
  readonly process: string;
  /** As Tsuru writes it. */
  readonly status: string;
  readonly version: string;
}

export interface TargetStatus extends UnitFacts {
  readonly address: string;
  /** How Prometheus last fared with it, when it reports. */
  readonly health?: (typeof HEALTHS)[number];
  readonly lastError?: string;
  readonly lastScrape?: string;
  /** How long that took. */
  readonly scrapeSeconds?: number;
  /** How many samples it exposes, as last measured. */
  readonly samples?: number;
}

/** As Prometheus writes it. */
export const HEALTHS = ['up', 'down', 'unknown'] as const;

export interface LeftOutStatus extends UnitFacts {
  readonly leftOut: string;
  readonly reason: LeftOutReason;
  /** What has it scraped, with the command; not there where time alone does, or nothing. */
  readonly remedy?: string;
}

/** What there is, and how much of it is taken. */
export interface CapacityStatus {
  readonly memoryLimitBytes: number | undefined;
  readonly goMemLimitBytes: number | undefined;
  readonly volume: 'tmpfs' | 'disk';
  readonly volumeBytes: number | undefined;
  readonly volumeUsedBytes: number | undefined;
  readonly retentionSizeBytes: number | undefined;
  /** Of what may be scraped, 1 is all. */
  readonly load: number;
  /** How many steps the guard of the volume has taken; 0 when there is room. */
  readonly steps: number;
  /** What Prometheus holds in its head, and the apps that are paused because they make too many. */
  readonly series: number;
  readonly pausedApps: readonly string[];
}
