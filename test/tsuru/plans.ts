export interface Plan {
  readonly name: string;
  readonly memory: number;
  readonly cpumilli: number;
  readonly default?: true;
}

const MI = 1024 * 1024;

/** The plans of the recording: CPUs (as "c0.5") and memory in GiB (as "m2"). */
export function seedPlans(): Map<string, Plan> {
  return new Map(NAMES.map((name) => [name, planOf(name)]));
}

const NAMES = [
  ['c0.1m0.1', 'c0.1m0.2', 'c0.3m0.5', 'c0.3m1', 'c0.5m1', 'c0.5m2', 'c16m16', 'c16m8'],
  ['c1m1', 'c1m2', 'c1m4', 'c2m1', 'c2m2', 'c2m4', 'c2m8', 'c4m16', 'c4m2', 'c4m4', 'c4m8'],
  ['c8m16', 'c8m4', 'c8m8'],
].flat();

/** Names round the memory below 1 GiB down: m0.1 has 128 MiB, m0.2 has 256 MiB. */
const SMALL_MEMORY = new Map([
  ['0.1', 128],
  ['0.2', 256],
  ['0.5', 512],
]);

function planOf(name: string): Plan {
  const [, cpus = '', gib = ''] = /^c([\d.]+)m([\d.]+)$/.exec(name) ?? [];
  const plan = {
    name,
    memory: (SMALL_MEMORY.get(gib) ?? Number(gib) * 1024) * MI,
    cpumilli: Math.round(Number(cpus) * 1000),
  };
  return name === 'c0.1m0.2' ? { ...plan, default: true } : plan;
}
