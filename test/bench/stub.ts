import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { startProgram } from '../support/program.ts';
import { until } from '../support/until.ts';
import { monotonicMs } from './moments.ts';
import { REPLACE_UNIT, type Answer, type Change, type Line } from './stub/protocol.ts';

const MAIN = fileURLToPath(new URL('./stub/main.ts', import.meta.url));
/** Between looks for an answer: the answer itself says when it was. */
const LOOK_EVERY_MS = 20;

/** The path of the answer that is a poll. */
const LIST = '/1.0/apps';

/** The stub of Tsuru as a process of its own. */
export interface Stub {
  readonly url: string;
  /** Every answer that it gave, in order. */
  readonly answers: readonly Answer[];
  replaceUnit(): Promise<Change>;
  /** The first list of apps that was asked for at or after a moment. */
  listAfter(atMs: number, timeoutMs: number): Promise<Answer>;
  stop(): Promise<unknown>;
}

export async function startStub(units: number, unitsPerApp: number): Promise<Stub> {
  const answers: Answer[] = [];
  let url: string | undefined;
  const program = startProgram({
    command: process.execPath,
    args: [MAIN, '--units', String(units), '--units-per-app', String(unitsPerApp)],
    onLine(text) {
      if (!text.startsWith('{')) return;
      const line = JSON.parse(text) as Line;
      if ('url' in line) url = line.url;
      else answers.push(line.answer);
    },
  });
  const opened = await until('the stub of Tsuru to listen', () => {
    if (program.exited) throw new Error(`it ended: ${program.lines.slice(-3).join(' / ')}`);
    return url;
  });
  return {
    url: opened,
    answers,
    async replaceUnit() {
      const { body } = await request(`${opened}${REPLACE_UNIT}`, { method: 'POST' });
      return (await body.json()) as Change;
    },
    async listAfter(atMs, timeoutMs) {
      const deadlineMs = monotonicMs() + timeoutMs;
      for (;;) {
        const found = answers.find(({ path, startedMs }) => path === LIST && startedMs >= atMs);
        if (found !== undefined) return found;
        if (monotonicMs() > deadlineMs) throw new Error(`the agent did not poll within ${timeoutMs / 1000} s`);
        await wait(LOOK_EVERY_MS);
      }
    },
    stop: () => program.stop(),
  };
}
