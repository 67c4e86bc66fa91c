// npm run soak: the agent, and then the service, under random changes and faults for a long time. This file alone touches the process.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { errorText } from '../../agent/shared/text.ts';
import { soakService } from './service/soak.ts';
import { soak } from './soak.ts';

const DEFAULT_MINUTES = { agent: 30, service: 10 } as const;
const PARTS = ['agent', 'service'] as const;
/** 200 agents alone would take 19 GB. */
const SERVICE_SIZE = { instances: 200, real: 5, speed: 10 } as const;
const LARGEST_SEED = 2 ** 32 - 1;

const USAGE = `npm run soak [-- --only agent|service | --minutes N | --seed S | --help]

First the agent: changes apps and their units at random, and breaks Tsuru, Prometheus, the agent and its files at random, with a Tsuru for one machine, a
real Prometheus and the agent as a process of its own. After each batch everything is left in peace, and Prometheus must have exactly the
targets that it should; in between no target may be lost. It ends at the first thing that does not hold.

Then the service: ${SERVICE_SIZE.instances} instances, ${SERVICE_SIZE.real} of them with real agents, and two brokers as processes, whose minutes pass ${SERVICE_SIZE.speed} times as fast.
Users add, bind, update and remove; somebody removes apps, grants, tokens and volumes by hand and edits metadata; Tsuru's calls fail; brokers
are killed. At the end all must become as Tsuru's instances say, and what belongs to others must be as it was.

Exit code 0 only if all held.

  --only PART  agent or service alone
  --minutes N  how long each (${DEFAULT_MINUTES.agent} and ${DEFAULT_MINUTES.service}); from 10 on it also fails when the agent's memory, open files or watches grow
  --seed S     repeats the changes and faults of an earlier soak, which printed its seed
  --help       this

Ctrl-C ends it with what was seen so far.
`;

function leave(code: number, sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(code);
}

interface Arguments {
  readonly parts: readonly (typeof PARTS)[number][];
  /** Undefined: each part's own. */
  readonly minutes: number | undefined;
  readonly seed: number;
  readonly help: boolean;
}

function readArguments(): Arguments {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        minutes: { type: 'string' },
        seed: { type: 'string', default: String(randomInt(LARGEST_SEED)) },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const { only, minutes } = values;
    const parts = PARTS.filter((part) => only === undefined || part === only);
    if (parts.length === 0) throw new Error(`--only must be agent or service, not "${only ?? ''}"`);
    if (minutes !== undefined && (!/^\d+(\.\d+)?$/.test(minutes) || Number(minutes) <= 0))
      throw new Error(`--minutes must be a number above 0, not "${minutes}"`);
    const seed = Number(values.seed);
    if (!/^\d+$/.test(values.seed) || seed > LARGEST_SEED)
      throw new Error(`--seed must be a whole number from 0 to ${LARGEST_SEED}, not "${values.seed}"`);
    return { parts, minutes: minutes === undefined ? undefined : Number(minutes), seed, help: values.help };
  } catch (error) {
    return leave(2, `${errorText(error).split(/\. |\.?\n/)[0] ?? ''}. See "npm run soak -- --help".`);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const { parts, minutes, seed, help } = readArguments();
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
  for (const part of parts) {
    if (stop.signal.aborted) break;
    const options = { minutes: minutes ?? DEFAULT_MINUTES[part], seed, say, signal: stop.signal };
    const run = part === 'agent' ? soak(options) : soakService({ ...SERVICE_SIZE, ...options });
    const { failures } = await run;
    if (failures.length > 0) leave(1, `\nIt does not hold:\n${failures.join('\n')}`);
  }
  say(stop.signal.aborted ? 'It was ended early; what was seen so far held.' : 'All of it held.');
  process.exit(stop.signal.aborted ? 130 : 0);
} catch (error) {
  leave(1, `The soak failed: ${errorText(error)}`);
}
