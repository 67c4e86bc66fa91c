import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sampleOf } from '../../../../agent/prometheus/api/exposition.ts';

const PAGE = String.raw`# HELP up Is it up.
# TYPE up gauge
up 1
up_total 7
not_up 5
files{filename="/a"} 1.795414393e+09
files{filename="/a \"b\"\\n",job="x"} 2
empty{} 3
last{a="1"} NaN`;

describe('a sample in a page of metrics', () => {
  it('is found by its whole name', () => {
    assert.equal(sampleOf(PAGE, 'up'), 1);
    assert.equal(sampleOf(PAGE, 'up_total'), 7);
    assert.equal(sampleOf(PAGE, 'total'), undefined);
  });

  it('is found by its labels, whatever others it has', () => {
    assert.equal(sampleOf(PAGE, 'files', { filename: '/a' }), 1_795_414_393);
    assert.equal(sampleOf(PAGE, 'files', { filename: '/a "b"\\n' }), 2);
    assert.equal(sampleOf(PAGE, 'files', { job: 'x' }), 2);
    assert.equal(sampleOf(PAGE, 'files', { job: 'y' }), undefined);
    assert.equal(sampleOf(PAGE, 'empty'), 3);
  });

  it('may be no number, and the last line', () => {
    assert.ok(Number.isNaN(sampleOf(PAGE, 'last', { a: '1' })));
  });
});
