import { setTimeout as wait } from 'node:timers/promises';
import { errorText } from '../../../agent/shared/text.ts';
import { expect } from '../../support/instance.ts';
import { until } from '../../support/until.ts';
import { createRandom, type Random } from '../random.ts';
import { createBystanders, lookAtBystanders } from './bystanders.ts';
import { CALLS, ENDS, type Chaos } from './chaos.ts';
import { MEDDLING } from './meddling.ts';
import { harm, settle, unitsOf } from './settle.ts';
import { partOf, startServiceStage, type ServiceStage, type StageOptions } from './stage.ts';
import { listInstances, USER_STEPS, type ServiceStep } from './steps.ts';
import { differences } from './truth.ts';

/** Users, and those who meddle, who do things at once. */
const USERS = 3;
const MEDDLERS = 1;
const LONGEST_STEP_PAUSE_MS = 800;
const LONGEST_CALM_MS = 2_500;
const LONGEST_LIFE_MS = 20_000;
/** Of the graces of the brokers, the longest is 15 minutes; removals take their turns. */
const SETTLE_MINUTES = 90;
const HISTORY_LINES = 120;
const BROKER_LINES = 30;

export interface ServiceSoakOptions extends StageOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * A service with many instances, whose users, meddlers, brokers and Tsuru do at random what they may do; then everything must become as Tsuru's
 * instances say, and what belongs to others must be as it was.
 */
export async function soakService(options: ServiceSoakOptions): Promise<{ readonly failures: readonly string[] }> {
  const { minutes, seed, say, signal, speed } = options;
  say(`service: seed ${seed}, ${minutes} minutes, minutes pass ${speed} times as fast in the brokers`);
  await using stage = await startServiceStage(options, say);
  await createBystanders(stage.admin);
  const usualRetention = await untilWell(stage);
  const before = { bystanders: await lookAtBystanders(stage.admin), units: unitsOf(stage) };
  const counts = new Map<string, number>();
  const history: string[] = [];
  const note = (kind: string, text: string): void => {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    history.push(`${new Date().toISOString().slice(11, 23)}  ${kind}: ${text}`);
    if (history.length > HISTORY_LINES) history.shift();
  };

  const over = AbortSignal.any([signal, AbortSignal.timeout(minutes * 60_000)]);
  const random = (line: string): Random => createRandom(seed, 'service', line);
  const users = Array.from({ length: USERS }, (_, index) =>
    takeSteps(stage, USER_STEPS, random(`user ${index}`), over, note),
  );
  const meddlers = Array.from({ length: MEDDLERS }, (_, index) =>
    takeSteps(stage, MEDDLING, random(`meddler ${index}`), over, note),
  );
  await Promise.all([
    ...users,
    ...meddlers,
    goWrong(stage, CALLS, random('calls'), LONGEST_CALM_MS, over, note),
    goWrong(stage, ENDS, random('ends'), LONGEST_LIFE_MS, over, note),
  ]);
  say(
    [...counts]
      .sort()
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', '),
  );

  const settleMs = (SETTLE_MINUTES * 60_000) / speed;
  const left = signal.aborted ? [] : await settle(stage, usualRetention, settleMs, say);
  const harmed = await harm(stage, before.bystanders, before.units);
  const failures = [...left.map((line) => `not as it must be: ${line}`), ...harmed];
  if (failures.length === 0) return { failures };
  const logs = stage.brokers.flatMap(({ lines }, index) => [
    `broker ${index + 1} said:`,
    ...lines.slice(-BROKER_LINES),
  ]);
  return { failures: [...failures, 'before:', ...history, ...logs, `seed: ${seed}`] };
}

/** Returns the retention of an instance whose user says nothing about it. */
async function untilWell(stage: ServiceStage): Promise<string> {
  const [name = ''] = stage.first;
  const { body } = await expect(stage.admin.call('GET', `/1.0/apps/${partOf(name)}`), 200);
  const { metadata } = JSON.parse(body) as { metadata: { annotations: { name: string; value: string }[] } };
  const settings = metadata.annotations.find((item) => item.name === 'prometheus-service/settings')?.value ?? '{}';
  const usual = String((JSON.parse(settings) as { retention?: string }).retention);
  let left: readonly string[] = [];
  await until(
    'all instances to be up',
    async () => {
      left = await differences(stage, usual);
      return left.length === 0;
    },
    180_000,
  ).catch((error: unknown) => {
    throw new Error(`${errorText(error)}: ${left.slice(0, 5).join('; ')}`);
  });
  const listed = await listInstances(stage);
  if (listed.length !== stage.first.length) throw new Error(`Tsuru lists ${listed.length} instances`);
  return usual;
}

type Note = (kind: string, text: string) => void;

async function takeSteps(
  stage: ServiceStage,
  steps: readonly ServiceStep[],
  random: Random,
  over: AbortSignal,
  note: Note,
): Promise<void> {
  const isOver = (): boolean => over.aborted;
  while (!isOver()) {
    const step = random.weighted(steps);
    try {
      const text = await step.take(stage, random);
      if (text !== undefined) note(step.kind, text);
    } catch (error) {
      // A fault met the user: whether it was done is not known.
      note(step.kind, `broke off: ${errorText(error)}`);
    }
    await pause(random.int(0, LONGEST_STEP_PAUSE_MS), over);
  }
}

async function goWrong(
  stage: ServiceStage,
  kinds: readonly Chaos[],
  random: Random,
  longestCalmMs: number,
  over: AbortSignal,
  note: Note,
): Promise<void> {
  const isOver = (): boolean => over.aborted;
  while (!isOver()) {
    await pause(random.int(0, longestCalmMs), over);
    if (isOver()) return;
    const chaos = random.weighted(kinds);
    note(chaos.kind, await chaos.happen(stage, random, over));
  }
}

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await wait(durationMs, undefined, { signal }).catch(() => undefined);
}
