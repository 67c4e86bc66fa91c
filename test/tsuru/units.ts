import { createHash } from 'node:crypto';
import type { Addresses } from './addresses.ts';
import { delayed, type Delays } from './delays.ts';
import type { Healthcheck, ProcessRunner } from './images.ts';
import { run, type Running } from './run.ts';
import type { UnitStorage } from './storage.ts';
import { unitEnv } from './unit-env.ts';

/** stopped: evicted, with exit code 0. */
type UnitStatus = 'created' | 'starting' | 'started' | 'error' | 'stopped';

/** A unit as it is now. Only units.ts and the controls for tests change one. */
export interface Unit {
  readonly name: string;
  readonly app: string;
  readonly process: string;
  readonly version: number;
  readonly port: number;
  readonly createdAt: Date;
  /** '' while the unit waits for a node. */
  host: string;
  status: UnitStatus;
  reason: string;
  ready: boolean;
  routable: boolean;
  restarts: number;
  /** Of its process, where it is a child process and alive. */
  pid: number | undefined;
  /** What a test wants the unit's JSON to say instead: `{Status: 'succeeded', Ready: null}`. */
  overrides: Readonly<Record<string, unknown>>;
}

/** A unit with its life. */
export interface LivingUnit {
  readonly unit: Unit;
  /** Fulfilled when it was ready for the first time. */
  readonly ready: Promise<void>;
  /** As `kill -9` would: Tsuru starts the process again. */
  kill(): void;
  /** It answers for `endingMs`, and then its process is told to end. */
  stop(): Promise<void>;
  /** Ends its process at once; resolves with whether that ended with exit code 0, so that the unit is still listed. */
  evict(): Promise<boolean>;
}

/** The longest wait before a process that ended is started again, in ms. */
const RESTART_LIMIT_MS = 300_000;
/** A process that ran so long, in ms, is started again as if it had ended for the first time. */
const BACKOFF_RESET_MS = 600_000;

export interface UnitOptions {
  readonly name: string;
  readonly app: string;
  readonly process: string;
  readonly version: number;
  readonly port: number;
  /** Instead of an address of its own. */
  readonly host?: string;
  readonly routable: boolean;
  readonly runner: ProcessRunner;
  /** Without it the unit is ready as soon as its process runs. */
  readonly healthcheck: Healthcheck | undefined;
  /** What all units of the app have. */
  readonly env: Readonly<Record<string, string>>;
  /** What is mounted in it, as long as it lives. */
  readonly openStorage: () => Promise<UnitStorage>;
  readonly addresses: Addresses;
  readonly delays: Delays;
  readonly log: (line: string) => void;
  /** Aborted when the local Tsuru ends: then nothing is waited for. */
  readonly closing: AbortSignal;
}

export function startUnit(options: UnitOptions): LivingUnit {
  const { name, app, process, version, port, routable, addresses, delays } = options;
  const unit: Unit = {
    name,
    app,
    process,
    version,
    port,
    routable,
    createdAt: new Date(),
    host: '',
    status: 'created',
    reason: '',
    ready: false,
    restarts: 0,
    pid: undefined,
    overrides: {},
  };
  const stopped = new AbortController();
  let running: Running | undefined;
  let lastReason = '';
  let markReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => (markReady = resolve));

  async function live(): Promise<void> {
    await delayed(() => delays.createdMs, stopped.signal);
    if (stopped.signal.aborted) return;
    const host = options.host ?? (await addresses.take());
    const storage = await options.openStorage();
    try {
      await liveAt(host, storage);
    } finally {
      await storage.close();
      if (options.host === undefined) addresses.release(host);
    }
  }

  /** One life after the other, at one address, with the same volumes. */
  async function liveAt(host: string, storage: UnitStorage): Promise<void> {
    const { volumes, excuse } = storage;
    if (excuse !== undefined) options.log(`local Tsuru: volumes are plain folders, for ${excuse}`);
    const env = { ...options.env, ...unitEnv({ process, version, host, port, volumes }) };
    let ends = 0;
    while (!isStopped()) {
      // After an end the status is error until the process is ready again.
      Object.assign(unit, { host, ready: false, ...(unit.restarts === 0 ? { status: 'starting' } : {}) });
      const place = { app, process, version, unit: name, host, port, volumes, log: options.log, env };
      const startedMs = performance.now();
      const life = run(options.runner, place, storage, options.healthcheck);
      running = life;
      unit.pid = life.pid;
      const shown = delayed(() => delays.startingMs, stopped.signal);
      void Promise.all([life.ready, shown]).then(() => {
        becomeReady(life);
      });
      const reason = await life.ended;
      running = undefined;
      lastReason = reason;
      if (isStopped()) break;
      Object.assign(unit, { status: 'error', reason, ready: false, pid: undefined });
      unit.restarts += 1;
      ends = performance.now() - startedMs >= BACKOFF_RESET_MS ? 1 : ends + 1;
      await delayed(() => backoffMs(ends), stopped.signal);
    }
  }

  /** Also after exit code 0. */
  function backoffMs(ends: number): number {
    return ends <= 1 ? 0 : Math.min(delays.restartMs * 2 ** (ends - 2), RESTART_LIMIT_MS);
  }

  function isStopped(): boolean {
    return stopped.signal.aborted;
  }

  function becomeReady(life: Running): void {
    if (running !== life || isStopped()) return;
    Object.assign(unit, { status: 'started', reason: '', ready: true });
    markReady();
  }

  const over = live().catch((error: unknown) => {
    Object.assign(unit, { status: 'error', reason: String(error), ready: false });
  });
  return {
    unit,
    ready,
    kill: () => running?.kill(),
    stop: async () => {
      stopped.abort();
      await Promise.race([delayed(() => delays.endingMs, options.closing), running?.ended ?? over]);
      await running?.stop();
      await over;
    },
    evict: async () => {
      stopped.abort();
      await running?.stop();
      await over;
      Object.assign(unit, { status: 'stopped', ready: false, pid: undefined });
      return ['', 'exitCode: 0'].includes(lastReason);
    },
  };
}

/** A name as a pod's: the app, the process, a hash of what was rolled out, and a number that is never used again. */
export function unitName(app: string, process: string, rollout: string, number: number): string {
  const hash = createHash('sha256').update(rollout).digest('hex').slice(0, 8);
  return [app, process, hash, String(number).padStart(5, '0')].filter((part) => part !== '').join('-');
}
