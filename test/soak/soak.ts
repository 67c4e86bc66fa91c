import { createFirstApps } from './app-steps.ts';
import { playBatch } from './batch.ts';
import { createGrowing } from './growth.ts';
import { createHistory } from './history.ts';
import { createRandom } from './random.ts';
import { batchLine, createTally, evidence, growthLine } from './report.ts';
import { startStage } from './stage.ts';

/** Growth shows only in a soak of at least this length. */
const GROWTH_FROM_MINUTES = 10;
/** In such a soak the agent is ended only in this many batches a minute, about half of it, so that one life is long. */
const ENDING_BATCHES_PER_MINUTE = 3;

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly say: (line: string) => void;
  /** Ends the soak in order, with what was seen so far. */
  readonly signal: AbortSignal;
}

export interface SoakOutcome {
  /** All that did not hold, with what helps to find out why; none: all held. */
  readonly failures: readonly string[];
}

/** Random changes and faults, batch after batch, and the check of everything after each of them. */
export async function soak({ minutes, seed, say, signal }: SoakOptions): Promise<SoakOutcome> {
  say(`seed ${seed}, ${minutes} minutes`);
  const failures: string[] = [];
  const tally = createTally();
  const isLong = minutes >= GROWTH_FROM_MINUTES;
  await using stage = await startStage();
  await createFirstApps(stage, createRandom(seed, 'first apps'));
  const growing = createGrowing(stage);
  const measured = new AbortController();
  const measuring = growing.watch(measured.signal);
  const deadlineMs = performance.now() + minutes * 60_000;
  const isOver = (): boolean => signal.aborted || failures.length > 0 || performance.now() >= deadlineMs;

  for (let number = 1; !isOver(); number++) {
    const history = createHistory();
    const endsAgent = !isLong || number <= minutes * ENDING_BATCHES_PER_MINUTE;
    try {
      const result = await playBatch({ stage, seed, number, endsAgent, history, signal });
      tally.add(result);
      say(batchLine(number, result));
    } catch (error) {
      const words = await evidence(stage, error, history.lines);
      failures.push(`batch ${number} of --minutes ${minutes} --seed ${seed}: ${words.join('\n')}`);
    }
  }

  measured.abort();
  await measuring;
  const growth = growing.growth();
  if (isLong && failures.length === 0) failures.push(...growth.problems.map((part) => `the agent grows: ${part}`));
  const summary = [...tally.lines(), growthLine(growth), `seed: ${seed}`];
  summary.forEach(say);
  return { failures };
}
