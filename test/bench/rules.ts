import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { request } from 'undici';
import { monotonicMs } from './moments.ts';
import type { Scene } from './scene.ts';
import { summarize, type Summary } from './statistics.ts';

const LOOK_EVERY_MS = 20;
const LIMIT_MS = 30_000;
/** Between two changes: rules are edited now and then, and the agent takes changes in a row for one. */
const PAUSE_MS = 1_000;

/** Changes a file of rules again and again: from written until Prometheus has the rule. */
export async function measureRules(scene: Scene, n: number): Promise<Summary> {
  const file = join(scene.rulesFolder, 'bench.yml');
  const samples: number[] = [];
  for (let round = 1; round <= n; round++) {
    await wait(PAUSE_MS);
    const record = `bench:round_${round}`;
    await writeFile(file, `groups:\n  - name: bench\n    rules:\n      - record: ${record}\n        expr: vector(1)\n`);
    const writtenMs = monotonicMs();
    samples.push((await loadedAt(record, scene.prometheus.url)) - writtenMs);
  }
  return summarize(samples);
}

async function loadedAt(record: string, prometheusUrl: string): Promise<number> {
  const deadlineMs = monotonicMs() + LIMIT_MS;
  while (monotonicMs() < deadlineMs) {
    const { body } = await request(`${prometheusUrl}/api/v1/rules`);
    if ((await body.text()).includes(`"${record}"`)) return monotonicMs();
    await wait(LOOK_EVERY_MS);
  }
  throw new Error(`the rule ${record} was not loaded within ${LIMIT_MS / 1000} s`);
}
