import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { errorText } from '../../agent/shared/text.ts';
import { NODE_FLAGS } from '../support/runtime.ts';
import { renderAims } from './aims.ts';
import { describeMachine } from './machine.ts';
import { FULL, QUICK } from './plan.ts';
import { renderPlans } from './plans.ts';
import {
  renderAtOnce,
  renderGateway,
  renderInstance,
  renderRounds,
  renderService,
  renderSizes,
  renderTimes,
} from './report.ts';
import { runAtOnce, runPlan } from './run.ts';

const AGENT = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

const USAGE = `npm run bench [-- --quick | --at-once | --agent FILE | --help]

Measures the agent as a process of its own beside a real Prometheus, against a stub of Tsuru: what a round of polling costs at 100, 1,000
and 10,000 units, its memory, how long changes take until Prometheus has them, what the gateway adds to an answer,
what operations on instances take through Tsuru and the broker, how soon changes in Tsuru are targets, with the webhook and without,
what an instance takes as a whole, and how many samples the plans keep. About 50 minutes. Figures go to stdout.
NODE_OPTIONS, such as --max-semi-space-size=1, reach the agent as well.

  --quick       few rounds at a quick pace, up to 1,000 units: about two minutes
  --at-once     only how soon changes in Tsuru are targets: about 35 minutes
  --agent FILE  the agent to measure, such as dist/agent/main.js (agent/main.ts)
  --help        this
`;

/** The words that run a JavaScript or TypeScript file with this Node, as the container does. */
function nodeWith(file: string): string[] {
  return [process.execPath, ...NODE_FLAGS, resolve(file)];
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function fail(exitCode: number, sentence: string): never {
  console.error(sentence);
  process.exit(exitCode);
}

function readArguments(): { quick?: boolean; 'at-once'?: boolean; agent?: string; help?: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean' },
        'at-once': { type: 'boolean' },
        agent: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    return values;
  } catch (error) {
    return fail(2, `${errorText(error)}. See "npm run bench -- --help".`);
  }
}

const { quick = false, 'at-once': onlyAtOnce = false, agent = AGENT, help = false } = readArguments();
if (help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (!existsSync(agent)) fail(2, `There is no ${agent}: --agent must name the agent's main file.`);

const plan = quick ? QUICK : FULL;
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    stop.abort();
  });
}

async function bench(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const stopped = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => {
      reject(new Error('stopped'));
    });
  });
  const machine = await describeMachine();
  // Progress is not part of the figures.
  const progress = (line: string): void => {
    console.error(line);
  };
  if (onlyAtOnce) {
    const times = await Promise.race([runAtOnce(stack, plan, progress), stopped]);
    say(`Changes in Tsuru on ${machine}.\n\n${renderAtOnce(times)}`);
    return;
  }
  const results = await Promise.race([runPlan(stack, plan, nodeWith(agent), progress), stopped]);
  say(`The agent ${agent} on ${machine}.\nPolls: ${plan.pace}. Times in ms; memory in MB of 10^6 bytes.\n`);
  say(
    [
      renderRounds(results),
      renderSizes(results),
      renderTimes(results),
      renderGateway(results),
      renderService(results),
      renderInstance(results),
      renderAtOnce(results.atOnce),
      renderAims(results),
      await renderPlans(),
    ].join('\n\n'),
  );
}

try {
  await bench();
  process.exit(0);
} catch (error) {
  if (stop.signal.aborted) process.exit(130);
  fail(1, `The bench failed: ${errorText(error)}`);
}
