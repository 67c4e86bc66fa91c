import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command, Healthcheck, ProcessRunner, UnitPlace } from './images.ts';
import type { UnitStorage } from './storage.ts';

/** One life of a unit's process. */
export interface Running {
  readonly pid: number | undefined;
  /** Fulfilled when the process is ready for requests; never when it ends before. */
  readonly ready: Promise<void>;
  /** Fulfilled with the reason when it ended. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
  kill(): void;
}

/** After SIGTERM a process has this long, in ms. Tsuru gives 30 s. */
const STOP_MS = 10_000;
/** The user of every process in a pod, whatever its image says. */
const POD_UID = 1000;
/** How often a starting process is asked whether it is healthy, in ms. */
const PROBE_MS = 25;
/** A process without a healthcheck that still runs this long after its start, in ms, is ready: Kubernetes asks nobody whether they listen. */
const RUNNING_READY_MS = 50;
/** The longest wait for an answer to a healthcheck, in ms. */
const PROBE_TIMEOUT_MS = 5_000;

export function run(
  runner: ProcessRunner,
  place: UnitPlace,
  storage: UnitStorage,
  healthcheck: Healthcheck | undefined,
): Running {
  if (runner === 'nothing') return endless();
  const life = typeof runner === 'function' ? runInside(runner(place)) : runCommand(runner, place, storage);
  const over = new AbortController();
  void life.ended.finally(() => {
    over.abort();
  });
  return { ...life, ready: healthcheck === undefined ? life.ready : untilHealthy(place, healthcheck, over.signal) };
}

function endless(): Running {
  let end: (reason: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => (end = resolve));
  return {
    pid: undefined,
    ready: Promise.resolve(),
    ended,
    stop: () => {
      end('');
      return Promise.resolve();
    },
    kill: () => {
      end('exitCode: 137');
    },
  };
}

function runInside(starting: Promise<{ close(): Promise<void> }>): Running {
  const life = endless();
  const closed = life.ended.then(async (reason) => {
    await (await starting).close();
    return reason;
  });
  const failed = starting.then(() => closed).catch((error: unknown) => String(error));
  return {
    pid: undefined,
    ready: Promise.resolve(),
    ended: failed,
    stop: async () => {
      await life.stop();
      await failed;
    },
    kill: () => {
      life.kill();
    },
  };
}

function runCommand(command: Command, place: UnitPlace, storage: UnitStorage): Running {
  const [program, ...args] = notOutliving(storage.enter(asTsuruStarts(command), command.cwd));
  // A group of its own: what the process starts ends with it, and Ctrl-C at the terminal does not end it behind our back.
  const child = spawn(program, args, { cwd: command.cwd, env: place.env, detached: true });
  for (const output of [child.stdout, child.stderr]) createInterface({ input: output }).on('line', place.log);
  // Writing to the stdin of a process that ended is no error of ours.
  child.stdin.on('error', () => undefined);
  const ended = endOf(child);
  return {
    pid: child.pid,
    ready: sleep(RUNNING_READY_MS),
    ended,
    stop: async () => {
      signal(child, 'SIGTERM');
      const timer = setTimeout(() => {
        signal(child, 'SIGKILL');
      }, STOP_MS);
      await ended;
      clearTimeout(timer);
    },
    kill: () => {
      signal(child, 'SIGKILL');
    },
  };
}

/** Where an image is started as in a pod: by a login shell, which sets PATH again, and as nobody who may do much. */
function asTsuruStarts({ argv, asInPod = false, gid = 0 }: Command): Command['argv'] {
  if (!asInPod) return argv;
  const shell = ['/bin/sh', '-lc', 'exec "$@"', 'sh', ...argv] as const;
  const isRoot = process.getuid?.() === 0;
  return isRoot
    ? ['setpriv', `--reuid=${POD_UID}`, `--regid=${gid}`, '--clear-groups', '--pdeathsig=TERM', '--', ...shell]
    : shell;
}

/** On Linux the kernel ends a unit when the local Tsuru is killed; elsewhere a unit must notice that its stdin ends. */
function notOutliving(argv: Command['argv']): Command['argv'] {
  return process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'TERM', '--', ...argv] : argv;
}

async function endOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  try {
    const [code, name] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return `exitCode: ${code ?? (name === 'SIGKILL' ? 137 : 143)}`;
  } catch (error) {
    return `StartError: ${String(error)}`;
  } finally {
    // Children of the child must not outlive it.
    signal(child, 'SIGKILL');
  }
}

/** As with a container: SIGTERM is for the first process, and SIGKILL for all that it started. */
function signal({ pid }: ChildProcessWithoutNullStreams, name: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(name === 'SIGKILL' ? -pid : pid, name);
  } catch {
    // It has ended already.
  }
}

/** Never fulfilled when the process ends before. */
async function untilHealthy({ host, port }: UnitPlace, { path }: Healthcheck, over: AbortSignal): Promise<void> {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
  while (!(await isHealthy(url, over))) {
    if (over.aborted) return new Promise<never>(() => undefined);
    await sleep(PROBE_MS);
  }
}

async function isHealthy(url: string, over: AbortSignal): Promise<boolean> {
  try {
    const signal = AbortSignal.any([over, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
    const { status, body } = await fetch(url, { redirect: 'manual', signal });
    await body?.cancel();
    return status >= 200 && status < 400;
  } catch {
    return false;
  }
}
