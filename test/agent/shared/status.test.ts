import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isLeftOutReason, isProblem, LEFT_OUT_REASONS } from '../../../agent/shared/status.ts';

const EXPECTED = ['created', 'building', 'stopped', 'succeeded', 'no_process', 'opted_out'];
const PROBLEMS = ['no_address', 'no_port', 'listed_twice', 'target_limit', 'no_capacity'];

describe('a reason why a unit is not scraped', () => {
  it('is one of a known list', () => {
    assert.deepEqual(LEFT_OUT_REASONS.toSorted(), [...EXPECTED, ...PROBLEMS].sort());
  });

  for (const reason of LEFT_OUT_REASONS) {
    const expected = EXPECTED.includes(reason);
    it(`is ${expected ? 'no problem' : 'a problem'} when it is "${reason}"`, () => {
      assert.equal(isProblem(reason), !expected);
    });
  }

  it('is a problem when only a later version knows it', () => {
    for (const code of ['a_later_one', 'toString', '']) assert.equal(isLeftOutReason(code), false);
    assert.equal(isProblem(undefined), true);
  });
});
