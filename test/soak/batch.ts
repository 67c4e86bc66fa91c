import { setTimeout as wait } from 'node:timers/promises';
import { APP_STEPS } from './app-steps.ts';
import type { SoakFault } from './fault.ts';
import { FILE_FAULTS } from './file-faults.ts';
import { createGuard } from './guard.ts';
import type { History } from './history.ts';
import { PROCESS_FAULTS } from './process-faults.ts';
import { createRandom } from './random.ts';
import { createScene, type Scene } from './scene.ts';
import { settle, type Settled } from './settle.ts';
import type { Stage } from './stage.ts';
import type { Step } from './step.ts';
import { TSURU_FAULTS } from './tsuru-faults.ts';
import { UNIT_STEPS } from './unit-steps.ts';

const STEPS: readonly Step[] = [...APP_STEPS, ...UNIT_STEPS];
const FEWEST_STEPS = 2;
const MOST_STEPS = 8;
const LONGEST_PAUSE_MS = 700;
/** Of each of the two lines of faults. */
const MOST_FAULTS = 2;
const LONGEST_BEFORE_FAULT_MS = 1_500;
const SHORTEST_FAULT_MS = 200;
const LONGEST_FAULT_MS = 5_000;
/** What cannot be done now is drawn again, so often. */
const DRAWS = 10;

/** What was done in a batch, and how it ended. */
export interface BatchResult {
  /** The kinds of what was done. */
  readonly steps: readonly string[];
  readonly faults: readonly string[];
  readonly samples: number;
  /** Undefined when it was broken off. */
  readonly settled: Settled | undefined;
}

export interface BatchOptions {
  readonly stage: Stage;
  readonly seed: number;
  readonly number: number;
  /** Whether the agent may be ended. */
  readonly endsAgent: boolean;
  readonly history: History;
  readonly signal: AbortSignal;
}

/**
 * Steps and faults at the same time, then a quiet moment with the check.
 * @throws {SoakFailure} when something does not hold; then nothing of it is under way any more.
 */
export async function playBatch({
  stage,
  seed,
  number,
  endsAgent,
  history,
  signal,
}: BatchOptions): Promise<BatchResult> {
  const guard = createGuard(stage, await stage.prometheus().targets());
  const scene = createScene(stage, guard);
  const failed = new AbortController();
  const ending = AbortSignal.any([signal, failed.signal]);
  const problems: unknown[] = [];
  const fail = (error: unknown): void => {
    problems.push(error);
    failed.abort();
  };
  const random = (line: string) => createRandom(seed, number, line);
  setDelays(scene, random('delays'));

  const guarded = new AbortController();
  const guarding = guard.watch(guarded.signal).catch(fail);
  const machine = [...PROCESS_FAULTS, ...FILE_FAULTS].filter((fault) => endsAgent || fault.endsAgent !== true);
  const steps: string[] = [];
  const faults: string[] = [];
  const playing = { scene, history, signal: ending };
  await Promise.all([
    takeSteps(playing, random('steps'), steps).catch(fail),
    haveFaults(playing, random('tsuru'), TSURU_FAULTS, faults).catch(fail),
    haveFaults(playing, random('machine'), machine, faults).catch(fail),
  ]);
  history.note('everything is well again');
  const settled = ending.aborted ? undefined : await settle(scene, history, ending).catch(fail);
  guarded.abort();
  await guarding;
  if (problems.length > 0) throw problems[0];
  return { steps, faults, samples: guard.samples, settled: settled ?? undefined };
}

/** How long things take in this batch's Tsuru. */
function setDelays({ stage }: Scene, random: ReturnType<typeof createRandom>): void {
  stage.world.tsuru.requests.clear();
  Object.assign(stage.world.tsuru.delays, {
    createdMs: random.pick([0, 0, 300]),
    startingMs: random.pick([0, 400, 1_000]),
    portsMs: random.pick([0, 200, 1_200]),
    restartMs: random.pick([200, 1_000]),
  });
}

interface Playing {
  readonly scene: Scene;
  readonly history: History;
  readonly signal: AbortSignal;
}

async function takeSteps(
  { scene, history, signal }: Playing,
  random: ReturnType<typeof createRandom>,
  kinds: string[],
) {
  const isOver = (): boolean => signal.aborted;
  for (let left = random.int(FEWEST_STEPS, MOST_STEPS); left > 0 && !isOver(); left--) {
    await pause(random.int(0, LONGEST_PAUSE_MS), signal);
    for (let draw = 0; draw < DRAWS; draw++) {
      const step = random.weighted(STEPS);
      if (step.behindTsuru !== true) await untilTsuruListens(scene);
      const taking = step.take(scene, random);
      scene.stepEnded = taking.catch(() => undefined);
      const text = await taking;
      if (text === undefined) continue;
      history.note(`step: ${text}`);
      kinds.push(step.kind);
      break;
    }
  }
}

async function untilTsuruListens(scene: Scene): Promise<void> {
  let listens: Promise<unknown>;
  do {
    listens = scene.tsuruListens;
    await listens;
  } while (listens !== scene.tsuruListens);
}

/** One fault after the other. */
async function haveFaults(
  { scene, history, signal }: Playing,
  random: ReturnType<typeof createRandom>,
  faults: readonly SoakFault[],
  kinds: string[],
) {
  const isOver = (): boolean => signal.aborted;
  let possible = faults;
  for (let left = random.int(0, MOST_FAULTS); left > 0 && !isOver(); left--) {
    await pause(random.int(0, LONGEST_BEFORE_FAULT_MS), signal);
    const fault = random.weighted(possible);
    const begun = await fault.begin(scene, random);
    if (begun === undefined) continue;
    history.note(`fault: ${fault.kind}: ${begun.text}`);
    kinds.push(fault.kind);
    if (fault.loses === true) possible = possible.filter(({ loses }) => loses !== true);
    await pause(random.int(SHORTEST_FAULT_MS, LONGEST_FAULT_MS), signal);
    await begun.end();
    history.note(`fault ends: ${fault.kind}`);
  }
}

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await wait(durationMs, undefined, { signal }).catch(() => undefined);
}
