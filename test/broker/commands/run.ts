// Runs a command of the broker as an administrator does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../broker/main.ts', import.meta.url));

export interface Run {
  readonly exitCode: number | null;
  /** The report. */
  readonly out: string;
  /** What is said meanwhile. */
  readonly err: string;
}

/** Runs `broker ARGS` with this environment alone, and waits for its end. */
export async function runBroker(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { exitCode: child.exitCode, out, err };
}
