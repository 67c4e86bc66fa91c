import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

/** A process that a test or the demo started. */
export interface Program {
  readonly pid: number;
  /** What it printed so far, a line each, of both outputs. */
  readonly lines: readonly string[];
  readonly exited: boolean;
  /** Resolves with how it ended: its exit code, or the signal's name. */
  readonly end: Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL when that is not heard in time. Resolves once it has ended. */
  stop(): Promise<number | string>;
}

const STOP_LIMIT_MS = 10_000;

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly onLine?: (line: string) => void;
}

/** Starts a program with this environment and nothing else of ours but PATH and the compile cache. */
export function startProgram({ command, args, env = {}, cwd, onLine }: ProgramOptions): Program {
  const child = spawn(...outlived(command, args), {
    env: { PATH: process.env['PATH'] ?? '', ...compileCache(), ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C in a terminal reaches a whole group: who started this one ends it in order.
    detached: true,
  });
  const lines: string[] = [];
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', (line) => {
      lines.push(line);
      onLine?.(line);
    });
  }
  const end = ended(child);
  return {
    pid: child.pid ?? 0,
    lines,
    get exited() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    end,
    kill: (signal) => void child.kill(signal),
    async stop() {
      child.kill('SIGTERM');
      child.kill('SIGCONT');
      const limit = new AbortController();
      void wait(STOP_LIMIT_MS, undefined, { signal: limit.signal }).then(
        () => child.kill('SIGKILL'),
        () => undefined,
      );
      const result = await end;
      limit.abort();
      return result;
    },
  };
}

/** What Node made of our source before: a program that starts from it takes a third less CPU. */
function compileCache(): { readonly NODE_COMPILE_CACHE?: string } {
  const { NODE_COMPILE_CACHE: folder } = process.env;
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: resolve(folder) };
}

/** Has the kernel end the program when this process ends in whatever way, so that not even SIGKILL leaves one behind. */
function outlived(command: string, args: readonly string[]): [string, string[]] {
  if (process.platform !== 'linux') return [command, [...args]];
  return ['setpriv', ['--pdeathsig', 'KILL', '--', command, ...args]];
}

async function ended(child: ChildProcess): Promise<number | string> {
  const failed = once(child, 'error').then(([error]: unknown[]) => String(error));
  const closed = once(child, 'close').then(([code, signal]: unknown[]) =>
    typeof code === 'number' ? code : String(signal),
  );
  return Promise.race([closed, failed]);
}
