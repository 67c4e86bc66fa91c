import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { RunningAgent } from '../support/agent.ts';
import type { Stage } from './stage.ts';

const SAMPLE_EVERY_MS = 3_000;
/** What a third must have, so that its median says something. */
const FEWEST_SAMPLES = 30;

/** What is measured of an agent, by how much it may differ from the first third of a life to the last, and in which unit. */
const MEASURES = [
  { name: 'memory', bound: 20, unit: ' MB' },
  { name: 'open files', bound: 5, unit: '' },
  { name: 'watches', bound: 5, unit: '' },
  { name: 'handles and timers', bound: 10, unit: '' },
] as const;
type Measure = (typeof MEASURES)[number]['name'];
type Sample = Readonly<Record<Measure, number>> & { readonly atMs: number };

/** How what an agent takes changed over its life. */
export interface Growth {
  /** How long the longest life lasted. */
  readonly lifeMs: number;
  readonly lives: number;
  /** `memory 91 -> 95 MB`, a part a measure. */
  readonly parts: readonly string[];
  /** What grew more than it may. */
  readonly problems: readonly string[];
}

/** Measures the agent every few seconds, until the signal aborts. */
export interface Growing {
  watch(signal: AbortSignal): Promise<void>;
  /** Compares the first third of the longest life with the last one. */
  growth(): Growth;
}

export function createGrowing(stage: Stage): Growing {
  const lives = new Map<number, Sample[]>();
  return {
    async watch(signal) {
      const isOver = (): boolean => signal.aborted;
      while (!isOver()) {
        const agent = stage.agent();
        // One that is being killed cannot be measured.
        const sample = await measure(agent).catch(() => undefined);
        const life = lives.get(agent.program.pid) ?? [];
        if (sample !== undefined) lives.set(agent.program.pid, [...life, sample]);
        await wait(SAMPLE_EVERY_MS, undefined, { signal }).catch(() => undefined);
      }
    },
    growth() {
      const [longest = []] = [...lives.values()].sort((a, b) => b.length - a.length);
      const third = Math.floor(longest.length / 3);
      const first = longest.slice(0, third);
      const last = longest.slice(longest.length - third);
      const compared = MEASURES.map(({ name, bound, unit }) => {
        const [from, to] = [first, last].map((samples) => median(samples.map((sample) => sample[name])));
        return { text: `${name} ${from ?? 0} -> ${to ?? 0}${unit}`, grew: (to ?? 0) - (from ?? 0) > bound };
      });
      return {
        lifeMs: (longest.at(-1)?.atMs ?? 0) - (longest[0]?.atMs ?? 0),
        lives: lives.size,
        parts: compared.map(({ text }) => text),
        problems: third < FEWEST_SAMPLES ? [] : compared.filter(({ grew }) => grew).map(({ text }) => text),
      };
    },
  };
}

async function measure(agent: RunningAgent): Promise<Sample> {
  const folder = `/proc/${agent.program.pid}`;
  const status = await readFile(join(folder, 'status'), 'utf8');
  const infos = await readdir(join(folder, 'fdinfo'));
  // Some are closed meanwhile.
  const texts = await Promise.all(infos.map((fd) => readFile(join(folder, 'fdinfo', fd), 'utf8').catch(() => '')));
  return {
    atMs: performance.now(),
    memory: Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024),
    'open files': infos.length,
    watches: texts.reduce(
      (sum, text) => sum + text.split('\n').filter((line) => line.startsWith('inotify ')).length,
      0,
    ),
    'handles and timers': (await agent.metric('nodejs_active_resources_total')) ?? 0,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
