import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listProblems, shortProblem } from '../../../broker/instances/problem.ts';

const SINCE = '(since 2026-11-27T16:04:44.123Z)';
const FAILS = `remote_write to far (metrics.example.com) fails: HTTP status 401 Unauthorized; samples are lost: check the secret ${SINCE}`;

describe('a problem of an instance', () => {
  it('keeps what fails, the error and since when where it is cut', () => {
    assert.equal(
      shortProblem(FAILS, 110),
      'remote_write to far (metrics.example.com) fails: HTTP status 401 Unauthorized; samp… (since 2026-11-27T16:04Z)',
    );
    assert.equal(shortProblem(FAILS, 200), FAILS);
    assert.equal(shortProblem('x'.repeat(20), 10), `${'x'.repeat(9)}…`);
  });

  it('does not hide others where several are listed', () => {
    const listed = listProblems([FAILS, 'rule x fails', FAILS, FAILS], 3, 200);
    assert.ok(listed.length <= 200, listed);
    assert.match(listed, /^remote_write to far.*…\s\(since \S+Z\); rule x fails; remote_write.*\) and 1 more$/);
    assert.equal(listProblems(['a', 'b'], 3, 200), 'a; b');
    assert.equal(listProblems([], 3, 200), '');
  });
});
