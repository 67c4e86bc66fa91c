import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { it } from 'node:test';
import { soak } from './soak.ts';

const MINUTES = 2;

it(
  `in ${MINUTES} minutes of random changes and faults, Prometheus always ends up with exactly the targets that it should, and none is lost`,
  { timeout: 300_000 },
  async (test) => {
    const say = (line: string): void => {
      test.diagnostic(line);
    };
    const { failures } = await soak({ minutes: MINUTES, seed: randomInt(2 ** 32 - 1), say, signal: test.signal });
    if (failures.length > 0) assert.fail(failures.join('\n'));
  },
);
