import { createHash } from 'node:crypto';
import type { Addresses } from './addresses.ts';
import { delayed, type Delays } from './delays.ts';
import type { ProcessRunner } from './images.ts';
import { run, type Running } from './run.ts';
import type { UnitStorage } from './storage.ts';
import { unitEnv } from './unit-env.ts';

type UnitStatus = 'created' | 'starting' | 'started' | 'error';

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
  stop(): Promise<void>;
}

/** The longest wait before a crashed process is started again, in ms. */
const RESTART_LIMIT_MS = 5000;

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
  /** What all units of the app have. */
  readonly env: Readonly<Record<string, string>>;
  /** What is mounted in it, as long as it lives. */
  readonly openStorage: () => Promise<UnitStorage>;
  readonly addresses: Addresses;
  readonly delays: Delays;
  readonly log: (line: string) => void;
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
    while (!isStopped()) {
      Object.assign(unit, { host, status: 'starting', ready: false });
      const place = { app, process, version, unit: name, host, port, volumes, log: options.log, env };
      const life = run(options.runner, place, storage);
      running = life;
      unit.pid = life.pid;
      const shown = delayed(() => delays.startingMs, stopped.signal);
      void Promise.all([life.ready, shown]).then(() => {
        becomeReady(life);
      });
      const reason = await life.ended;
      running = undefined;
      if (isStopped()) break;
      Object.assign(unit, { status: 'error', reason, ready: false, pid: undefined });
      unit.restarts += 1;
      const backoff = 2 ** (unit.restarts - 1);
      await delayed(() => Math.min(delays.restartMs * backoff, RESTART_LIMIT_MS), stopped.signal);
    }
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
      await running?.stop();
      await over;
    },
  };
}

/** A name as a pod's: the app, the process, a hash of what was rolled out, and a number that is never used again. */
export function unitName(app: string, process: string, rollout: string, number: number): string {
  const hash = createHash('sha256').update(rollout).digest('hex').slice(0, 8);
  return [app, process, hash, String(number).padStart(5, '0')].filter((part) => part !== '').join('-');
}
