import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { budgetOf } from '../../../agent/shared/budget.ts';
import { queryLimitsOf } from '../../../agent/shared/query-limits.ts';
import { budgetOfPlan } from '../../../broker/plans/memory.ts';
import { readPlans } from '../../../broker/plans/read.ts';

const MIB = 2 ** 20;
const UNLIMITED = 1_000_000_000;

describe('the limits of queries', () => {
  it('follow from the memory: few large queries on a small instance', () => {
    const table = [
      { memoryMib: 256, tmpfsMib: 64, atOnce: 3, ofUsers: 2 },
      { memoryMib: 1_024, tmpfsMib: 256, atOnce: 3, ofUsers: 2 },
      { memoryMib: 4_096, tmpfsMib: 1_000, atOnce: 6, ofUsers: 5 },
      { memoryMib: 16_384, tmpfsMib: 8_000, atOnce: 11, ofUsers: 10 },
      { memoryMib: 262_144, tmpfsMib: 8_000, atOnce: 20, ofUsers: 16 },
    ];
    for (const { memoryMib, tmpfsMib, ...expected } of table) {
      const { goMemLimitBytes } = budgetOf({
        memoryLimitBytes: memoryMib * MIB,
        volume: { kind: 'tmpfs', sizeBytes: tmpfsMib * MIB },
      });
      const { maxSamples, ...limits } = queryLimitsOf(goMemLimitBytes, UNLIMITED);
      assert.deepEqual(limits, expected, `${memoryMib} MiB`);
      // All at once, at 100 bytes a sample, beside a live heap of 60 %.
      const together = maxSamples * limits.atOnce * 100;
      assert.ok(together <= (goMemLimitBytes ?? 0) * 0.4, `${memoryMib} MiB: ${together} bytes`);
      assert.ok(together >= (goMemLimitBytes ?? 0) * 0.39, `${memoryMib} MiB: ${together} bytes`);
    }
  });

  it('are for each plan what the document of the capacity says', async () => {
    const document = await readFile(new URL('../../../agent/capacity/README.md', import.meta.url), 'utf8');
    const text = await readFile(new URL('../../../broker/plans.yaml', import.meta.url), 'utf8');
    const plans = readPlans(text);
    assert.ok(plans.ok);
    const told = plans.plans.map(({ name, memoryBytes, storage }) => {
      const { goMemLimitBytes } = budgetOfPlan(memoryBytes, storage);
      const { atOnce, maxSamples } = queryLimitsOf(goMemLimitBytes, UNLIMITED);
      return `${atOnce} of ${Number((maxSamples / 1e6).toFixed(1))} million${name === 'small' ? ' samples' : ''} on ${name}`;
    });
    assert.ok(document.includes(`${told.join(', ')}. One of them is for the rules`), told.join(', '));
  });

  it("are only lowered by the owner's values, and equal those where the memory has no limit", () => {
    const most = queryLimitsOf(576 * MIB, UNLIMITED);
    assert.deepEqual(queryLimitsOf(576 * MIB, 1_000), { ...most, maxSamples: 1_000 });
    assert.deepEqual(queryLimitsOf(576 * MIB, most.maxSamples + 1), most);
    assert.deepEqual(queryLimitsOf(undefined, 50_000_000), { maxSamples: 50_000_000, atOnce: 20, ofUsers: 16 });
  });
});
