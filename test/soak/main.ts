// npm run soak: the agent under random changes and faults for a long time. This file alone touches the process.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { errorText } from '../../agent/shared/text.ts';
import { soak } from './soak.ts';

const DEFAULT_MINUTES = 30;
const LARGEST_SEED = 2 ** 32 - 1;

const USAGE = `npm run soak [-- --minutes N | --seed S | --help]

Changes apps and their units at random, and breaks Tsuru, Prometheus, the agent and its files at random, with a Tsuru for one machine, a
real Prometheus and the agent as a process of its own. After each batch everything is left in peace, and Prometheus must have exactly the
targets that it should; in between no target may be lost. It ends at the first thing that does not hold; exit code 0 only if all did.

  --minutes N  how long (${DEFAULT_MINUTES}); from 10 minutes on it also fails when the agent's memory, open files or watches grow
  --seed S     repeats the changes and faults of an earlier soak, which printed its seed
  --help       this

Ctrl-C ends it with what was seen so far.
`;

function leave(code: number, sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(code);
}

function readArguments(): { readonly minutes: number; readonly seed: number; readonly help: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: 'string', default: String(DEFAULT_MINUTES) },
        seed: { type: 'string', default: String(randomInt(LARGEST_SEED)) },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const minutes = Number(values.minutes);
    if (!/^\d+(\.\d+)?$/.test(values.minutes) || minutes <= 0)
      throw new Error(`--minutes must be a number above 0, not "${values.minutes}"`);
    const seed = Number(values.seed);
    if (!/^\d+$/.test(values.seed) || seed > LARGEST_SEED)
      throw new Error(`--seed must be a whole number from 0 to ${LARGEST_SEED}, not "${values.seed}"`);
    return { minutes, seed, help: values.help };
  } catch (error) {
    return leave(2, `${errorText(error).split(/\. |\.?\n/)[0] ?? ''}. See "npm run soak -- --help".`);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const { minutes, seed, help } = readArguments();
if (help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    stop.abort();
  });
}
try {
  const { failures } = await soak({ minutes, seed, say, signal: stop.signal });
  if (failures.length > 0) leave(1, `\nIt does not hold:\n${failures.join('\n')}`);
  say(stop.signal.aborted ? 'It was ended early; what was seen so far held.' : 'All of it held.');
  process.exit(stop.signal.aborted ? 130 : 0);
} catch (error) {
  leave(1, `The soak failed: ${errorText(error)}`);
}
