import { setTimeout as wait } from 'node:timers/promises';
import type { Status } from '../../agent/shared/status.ts';
import type { ActiveTarget } from '../support/prometheus.ts';
import { SoakFailure, type History } from './history.ts';
import type { Scene } from './scene.ts';
import type { Stage } from './stage.ts';
import { readTargets } from './targets-file.ts';
import { lineOf, readTruth, type Truth } from './truth.ts';

/** How long it may take after everything is well again until it is all true. */
const TRUE_WITHIN_MS = 60_000;
/** Between the agent's looks at a Prometheus that is in sync: for this long it may not know of a restart. */
const MAY_BE_WRONG_MS = 12_000;
/** How long after Prometheus has all targets the agent may still not know it. */
const KNOWS_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 250;
/** How long after the first it is looked at again: it has to stay true. */
const STAYS_TRUE_MS = 700;

/** How things were when everything was true. */
export interface Settled {
  readonly truth: Truth;
  readonly targets: readonly ActiveTarget[];
  readonly tookMs: number;
}

/**
 * Waits at a quiet moment until the agent says that all is well, and what Prometheus reports is the truth. Returns undefined when the
 * signal aborts.
 * @throws {SoakFailure} when that takes too long, or what the agent says of Prometheus, in sync or not, is wrong for long.
 */
export async function settle(scene: Scene, history: History, signal: AbortSignal): Promise<Settled | undefined> {
  const { stage } = scene;
  const begunAt = new Date();
  const begunAtMs = performance.now();
  let lastPicture = '';
  let wrongSinceMs: number | undefined;
  let unknowingSinceMs: number | undefined;
  let trueSinceMs: number | undefined;
  let hasAsked = !scene.detailsChanged;
  await stage.confirmBinds();
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    hasAsked ||= (await stage.agent().poll()).status === 200;
    const status = await stage.agent().status();
    const said = complaintOf(status, begunAt);
    const targets = await stage.prometheus().targets();
    const truth = await readTruth(stage.world.admin, stage.world.instance);
    const differences = compare(truth.targets, targets.map(lineOf));
    const nowMs = performance.now();
    const picture = `${said ?? 'the agent says that all is well'}; ${differences.length} differences`;
    if (picture !== lastPicture) history.note(picture);
    lastPicture = picture;

    if (said === undefined && differences.length === 0) trueSinceMs ??= nowMs;
    else trueSinceMs = undefined;
    if (trueSinceMs !== undefined && nowMs - trueSinceMs >= STAYS_TRUE_MS)
      return { truth, targets, tookMs: trueSinceMs - begunAtMs };

    unknowingSinceMs = differences.length === 0 && !status.sync.inSync ? (unknowingSinceMs ?? nowMs) : undefined;
    if (unknowingSinceMs !== undefined && nowMs - unknowingSinceMs >= KNOWS_WITHIN_MS)
      throw new SoakFailure(
        `Prometheus has had exactly the right targets for ${KNOWS_WITHIN_MS / 1000} s, but the agent says: ${said ?? ''}`,
      );
    wrongSinceMs = (await isWronglyInSync(stage)) ? (wrongSinceMs ?? nowMs) : undefined;
    if (wrongSinceMs !== undefined && nowMs - wrongSinceMs >= MAY_BE_WRONG_MS)
      throw new SoakFailure('the agent says in_sync, but Prometheus has other targets than the target file');
    if (nowMs - begunAtMs >= TRUE_WITHIN_MS) {
      const words = said ?? 'the agent says that all is well';
      const parts = [`${TRUE_WITHIN_MS / 1000} s after everything was well again: ${words}`, ...differences];
      throw new SoakFailure(parts.join('\n  '));
    }
    await wait(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** What the agent says is not well; undefined when all is. */
function complaintOf({ sync, apps, problems, lastPoll }: Status, since: Date): string | undefined {
  const unknown = apps.filter((app) => app.unknown !== undefined).map(({ name }) => name);
  if (lastPoll.lastSuccess === null || Date.parse(lastPoll.lastSuccess) < since.getTime())
    return 'the agent has not polled since';
  if (unknown.length > 0) return `the agent says that the units of ${unknown.join(', ')} are unknown`;
  if (problems.length > 0) return `the agent has problems: ${problems.join('; ')}`;
  return sync.inSync ? undefined : 'the agent says that Prometheus is not in sync';
}

/** What should be there and is not (-), and what is and should not (+). */
function compare(expected: readonly string[], seen: readonly string[]): string[] {
  return [
    ...expected.filter((line) => !seen.includes(line)).map((line) => `- ${line}`),
    ...seen.filter((line) => !expected.includes(line)).map((line) => `+ ${line}`),
    ...(expected.length === seen.length ? [] : [`${expected.length} targets expected, ${seen.length} seen`]),
  ];
}

/** Whether the agent says in_sync, and Prometheus does not have what is in the target file. */
async function isWronglyInSync(stage: Stage): Promise<boolean> {
  const before = await inFile(stage);
  const seen = (await stage.prometheus().targets()).map(({ instance, url }) => `${instance} ${new URL(url).host}`);
  const isInSync = (await stage.agent().metric('tsuru_agent_in_sync')) === 1;
  const after = await inFile(stage);
  return isInSync && before.join() === after.join() && before.join() !== seen.sort().join();
}

async function inFile(stage: Stage): Promise<readonly string[]> {
  const targets = await readTargets(stage.agent().targetsFile).catch(() => []);
  return targets.map(({ unit, address }) => `${unit} ${address}`).sort();
}
