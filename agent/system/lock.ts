import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { errorCode } from './files.ts';
import { errorText } from '../shared/text.ts';

/** An agent that was just killed may hold its lock for a moment, until the kernel has closed its files. */
const PATIENCE_MS = 3_000;
const TRY_EVERY_MS = 100;
/** flock's answer that another process has the lock. */
const TAKEN = 1;

export type LockOutcome =
  /** The kernel keeps the lock until `release`, or until this process has ended in whatever way. */
  | { readonly kind: 'locked'; readonly release: () => void }
  | { readonly kind: 'taken' }
  /** Whether another process has it cannot be found out. */
  | { readonly kind: 'unknown'; readonly reason: string };

/**
 * Takes the lock of a file or folder, without writing to it. It is flock(2)'s: it holds between containers that share a volume, where process
 * numbers mean nothing, and there is none to clean up after a kill. Node cannot call it; the program flock can, for an open file that it is
 * given, and leaves the lock to all who have that open file. Never rejects.
 */
export async function lock(path: string, patienceMs = PATIENCE_MS): Promise<LockOutcome> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const outcome = await tryLock(path);
    if (outcome.kind !== 'taken' || performance.now() >= deadlineMs) return outcome;
    await wait(TRY_EVERY_MS);
  }
}

async function tryLock(path: string): Promise<LockOutcome> {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    return { kind: 'unknown', reason: errorText(error) };
  }
  const code = await flock(file);
  if (code === 0) {
    return {
      kind: 'locked',
      release() {
        closeSync(file);
      },
    };
  }
  closeSync(file);
  return code === TAKEN ? { kind: 'taken' } : { kind: 'unknown', reason: String(code) };
}

/** Its exit code, or the reason without one. */
async function flock(file: number): Promise<number | string> {
  const { promise, resolve } = Promise.withResolvers<number | string>();
  const child = spawn('flock', ['-x', '-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', file] });
  child.once('error', (error) => {
    resolve(errorCode(error) === 'ENOENT' ? 'the program flock of util-linux is missing' : errorText(error));
  });
  child.once('close', (code, signal) => {
    resolve(code ?? `flock was ended by ${String(signal)}`);
  });
  return promise;
}
