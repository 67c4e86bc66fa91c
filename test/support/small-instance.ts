import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { readVolume } from '../../agent/storage/volume.ts';
import { temporaryTmpfs } from '../budget/tmpfs.ts';
import type { AgentOptions, RunningAgent } from './agent.ts';
import type { PrometheusView } from './prometheus.ts';
import { seriesUnit, type Series } from './series.ts';
import { startWorld, type World } from './world.ts';

const MIB = 2 ** 20;

/** An agent that runs its Prometheus with little room. */
export interface SmallInstance extends AsyncDisposable {
  readonly world: World;
  readonly agent: RunningAgent;
  readonly prometheus: PrometheusView;
  /** The volume with all data. */
  readonly path: string;
  /** What each app's units expose; may be changed at any time. */
  readonly exposes: Map<string, Series>;
}

export interface SmallInstanceOptions {
  readonly volumeMib: number;
  /** Units of each app, and what they expose. */
  readonly apps: Readonly<Record<string, readonly [units: number, series: number]>>;
  /** What the machine seems to have. */
  readonly memoryMib?: number;
  readonly agent?: Partial<AgentOptions>;
}

/** An agent with its Prometheus and all files of both on a tmpfs of its own. */
export async function startSmallInstance({
  volumeMib,
  apps,
  memoryMib,
  agent: options = {},
}: SmallInstanceOptions): Promise<SmallInstance> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryTmpfs(volumeMib * MIB));
  const exposes = new Map(Object.entries(apps).map(([name, [, series]]): [string, Series] => [name, { series }]));
  const unit = seriesUnit((app) => exposes.get(app) ?? { series: 1 });
  const world = stack.use(await startWorld({ images: () => ({ processes: { web: unit } }) }));
  for (const [name, [units]] of Object.entries(apps)) await world.bindNew(name, units);
  const { agent, prometheus } = await world.startSupervised({
    folder: join(path, 'agent'),
    ...(memoryMib === undefined ? {} : { wrapper: await seeming(memoryMib, world.folder) }),
    ...options,
  });
  const all = stack.move();
  return { world, agent, prometheus, path, exposes, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Words in front of a command by which it sees that much memory: as LXC does it, with a file over `/proc/meminfo`. */
export async function seeming(memoryMib: number, folder: string): Promise<string[]> {
  const file = join(folder, 'meminfo');
  const kib = memoryMib * 1024;
  await writeFile(file, `MemTotal: ${kib} kB\nMemFree: ${kib} kB\nMemAvailable: ${kib} kB\n`);
  return ['unshare', '--mount', 'sh', '-c', `mount --bind ${file} /proc/meminfo && exec "$@"`, 'sh'];
}

/** Looks at the volume for this long, and returns the largest share of it that was taken. */
export async function peakShare({ path }: SmallInstance, seconds: number): Promise<number> {
  const endMs = performance.now() + seconds * 1000;
  let peak = 0;
  while (performance.now() < endMs) {
    const { usedBytes, sizeBytes = 1 } = await readVolume(path);
    peak = Math.max(peak, usedBytes / sizeBytes);
    await wait(250);
  }
  return peak;
}
