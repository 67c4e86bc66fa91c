import { setTimeout as wait } from 'node:timers/promises';
import { monotonicMs } from './moments.ts';
import { renamedAfter } from './rounds.ts';
import type { Scene } from './scene.ts';
import { summarize, type Summary } from './statistics.ts';

const LOOK_EVERY_MS = 20;
/** Above the 30 s at which Prometheus looks at the file though nothing told it to. */
const LIMIT_MS = 60_000;

/** From a change in Tsuru to an active target in Prometheus, and its parts. */
export interface ChangeTimes {
  readonly totalMs: Summary;
  /** Until the answer to the poll that has it. */
  readonly waitMs: Summary;
  /** From that answer until the target file is put in place. */
  readonly agentMs: Summary;
  /** From there until the target is active. */
  readonly prometheusMs: Summary;
}

/** Replaces a unit again and again, at moments that have nothing to do with those of the polls. */
export async function measureChanges(scene: Scene, n: number, longestPauseMs: number): Promise<ChangeTimes> {
  const { stub, prometheus } = scene;
  const total: number[] = [];
  const waiting: number[] = [];
  const agent: number[] = [];
  const inPrometheus: number[] = [];
  for (let round = 0; round < n; round++) {
    await wait(Math.random() * longestPauseMs);
    const { unit, atMs } = await stub.replaceUnit();
    const activeMs = await activeAt(unit);
    const answer = await stub.listAfter(atMs, LIMIT_MS);
    const renamedMs = await renamedAfter(scene, answer);
    total.push(activeMs - atMs);
    waiting.push(answer.endedMs - atMs);
    agent.push(renamedMs - answer.endedMs);
    inPrometheus.push(activeMs - renamedMs);
  }

  async function activeAt(unit: string): Promise<number> {
    const deadlineMs = monotonicMs() + LIMIT_MS;
    while (monotonicMs() < deadlineMs) {
      if ((await prometheus.targets()).some(({ instance }) => instance === unit)) return monotonicMs();
      await wait(LOOK_EVERY_MS);
    }
    throw new Error(`the unit ${unit} was no target of ${prometheus.url} within ${LIMIT_MS / 1000} s`);
  }

  return {
    totalMs: summarize(total),
    waitMs: summarize(waiting),
    agentMs: summarize(agent),
    prometheusMs: summarize(inPrometheus),
  };
}
