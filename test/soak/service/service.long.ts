import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { it } from 'node:test';
import { soakService } from './soak.ts';

const MINUTES = 0.5;

it(
  'after half a minute of random crashes of brokers, failing calls and meddling, everything matches what Tsuru’s instances say, and nothing of others was touched',
  { timeout: 300_000 },
  async (test) => {
    const say = (line: string): void => {
      test.diagnostic(line);
    };
    const size = { instances: 40, real: 1, speed: 40 };
    const run = { minutes: MINUTES, seed: randomInt(2 ** 32 - 1), say, signal: test.signal };
    const { failures } = await soakService({ ...size, ...run });
    if (failures.length > 0) assert.fail(failures.join('\n'));
  },
);
