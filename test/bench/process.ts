import { readdirSync, readFileSync } from 'node:fs';

const BYTES_PER_KIB = 1024;
const BYTES_PER_MB = 1e6;

/**
 * The CPU time that a process has used so far, user and system, of all its threads. It is what `utime` and `stime` of `/proc/PID/stat` count
 * in steps of 10 ms, here in nanoseconds, so that a single round can be told.
 */
export function cpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const ns = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return ns.reduce((sum, one) => sum + one, 0) / 1e6;
}

/** The memory that a process has resident now (VmRSS) and at most had so far (VmHWM), in MB of 10^6 bytes. */
export function memoryMb(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string): number => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
    return kib === undefined ? NaN : (Number(kib) * BYTES_PER_KIB) / BYTES_PER_MB;
  };
  return { now: read('VmRSS'), peak: read('VmHWM') };
}
