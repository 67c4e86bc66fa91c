import { setTimeout as wait } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { monotonicMs } from './moments.ts';
import { cpuMs, memoryMb } from './process.ts';
import type { Scene } from './scene.ts';
import { summarize, type Summary } from './statistics.ts';
import type { Answer } from './stub/protocol.ts';

/** The longest wait for the next poll: above the longest usual interval of 16.5 s, and room for a slow machine. */
const POLL_LIMIT_MS = 60_000;
/** Between a poll's answer and the look at what it cost: longer than a round of 10,000 units takes, shorter than any poll interval. */
const SETTLE_MS = 600;
const MEMORY_EVERY_MS = 200;

/** What rounds of polling cost the agent. */
export interface Rounds {
  /** The whole poll as the agent itself counts it (poll_duration_seconds). */
  readonly pollMs: Summary;
  /** All that the agent does from one poll to the next, with one `GET /metrics` as Prometheus sends it. */
  readonly cpuMs: Summary;
  readonly requestsPerPoll: number;
  readonly bytesPerPoll: number;
}

export interface ChangedRounds extends Rounds {
  /** From the poll's request until the target file is put in place. */
  readonly requestToFileMs: Summary;
  /** From the end of the answer until then: the agent's own share. */
  readonly answerToFileMs: Summary;
}

export interface SteadyRounds extends Rounds {
  readonly memoryMb: { readonly steady: number; readonly peak: number };
}

/** Rounds in each of which one unit has been replaced since the last one. */
export async function changedRounds(scene: Scene, n: number): Promise<ChangedRounds> {
  const requestToFile: number[] = [];
  const answerToFile: number[] = [];
  const rounds = await measure(scene, n, async () => {
    const { atMs } = await scene.stub.replaceUnit();
    return async () => {
      const answer = await scene.stub.listAfter(atMs, POLL_LIMIT_MS);
      const renamedMs = await renamedAfter(scene, answer);
      requestToFile.push(renamedMs - answer.startedMs);
      answerToFile.push(renamedMs - answer.endedMs);
      return answer;
    };
  });
  return { ...rounds, requestToFileMs: summarize(requestToFile), answerToFileMs: summarize(answerToFile) };
}

/** Rounds that find nothing new. Memory counts as steady in the last of them. */
export async function unchangedRounds(scene: Scene, n: number, steadyMs: number): Promise<SteadyRounds> {
  const samples: { readonly atMs: number; readonly mb: number }[] = [];
  const sampling = setInterval(() => {
    samples.push({ atMs: monotonicMs(), mb: memoryMb(scene.agent.pid).now });
  }, MEMORY_EVERY_MS);
  try {
    const rounds = await measure(scene, n, () => {
      const fromMs = monotonicMs();
      return Promise.resolve(() => scene.stub.listAfter(fromMs, POLL_LIMIT_MS));
    });
    const sinceMs = monotonicMs() - steadyMs;
    const steady = summarize(samples.filter(({ atMs }) => atMs >= sinceMs).map(({ mb }) => mb)).median;
    return { ...rounds, memoryMb: { steady, peak: memoryMb(scene.agent.pid).peak } };
  } finally {
    clearInterval(sampling);
  }
}

/** The moment at which the file with what an answer told was put in place. */
export async function renamedAfter(scene: Scene, answer: Answer): Promise<number> {
  return until('the target file to be written', () => scene.renames.find((ms) => ms >= answer.startedMs));
}

/** Runs rounds, each from just after one poll until just after the next; a round is prepared and then waited for. */
async function measure(scene: Scene, n: number, prepare: () => Promise<() => Promise<Answer>>): Promise<Rounds> {
  const { stub, agent } = scene;
  const poll: number[] = [];
  const cpu: number[] = [];
  const pollSeconds = (): Promise<number> => scene.metric('tsuru_agent_poll_duration_seconds_sum');

  await stub.listAfter(monotonicMs(), POLL_LIMIT_MS);
  await wait(SETTLE_MS);
  const answersBefore = stub.answers.length;
  let seconds = await pollSeconds();
  let usedMs = cpuMs(agent.pid);
  for (let round = 0; round < n; round++) {
    await (
      await prepare()
    )();
    await wait(SETTLE_MS);
    const secondsNow = await pollSeconds();
    const usedNowMs = cpuMs(agent.pid);
    poll.push((secondsNow - seconds) * 1000);
    cpu.push(usedNowMs - usedMs);
    seconds = secondsNow;
    usedMs = usedNowMs;
  }
  const answers = stub.answers.slice(answersBefore);
  const bytes = answers.reduce((sum, answer) => sum + answer.bytes, 0);
  return {
    pollMs: summarize(poll),
    cpuMs: summarize(cpu),
    requestsPerPoll: answers.length / n,
    bytesPerPoll: bytes / n,
  };
}
