import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { startProgram, type Program } from '../../support/program.ts';
import { until } from '../../support/until.ts';

const MAIN = fileURLToPath(new URL('broker-main.ts', import.meta.url));
export const BROKER_PORT = 8888;
/** Of the lines of a broker's log. */
const KEPT_LINES = 400;

/** A broker as a process that is killed and started again, always at its address. */
export interface SoakBroker {
  readonly host: string;
  readonly isRunning: () => boolean;
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Resolves once it is ready. */
  start(): Promise<void>;
  /** What all of its lives have logged last. */
  readonly lines: readonly string[];
}

export function createBroker(host: string, env: Readonly<Record<string, string>>): SoakBroker {
  let program: Program | undefined;
  const lines: string[] = [];
  return {
    host,
    lines,
    isRunning: () => program?.exited === false,
    async kill(signal) {
      program?.kill(signal);
      await program?.end;
    },
    async start() {
      const started = startProgram({
        command: process.execPath,
        args: [MAIN],
        env: { ...env, BROKER_ADDRESS: host, PORT: String(BROKER_PORT) },
        onLine: (line) => {
          lines.push(line);
          if (lines.length > KEPT_LINES) lines.shift();
        },
      });
      program = started;
      await until('the broker to be ready', async () => {
        if (started.exited) throw new Error(`the broker ended: ${started.lines.slice(-3).join(' / ')}`);
        const { statusCode, body } = await request(`http://${host}:${BROKER_PORT}/readyz`);
        await body.dump();
        return statusCode === 200;
      });
    },
  };
}
